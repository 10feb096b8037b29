// The spool on a real disk: the life of jobs, races between processes, dead runners, hostile and broken files.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <set>

#include "tests/queue/spool_fixture.h"

namespace milonga::queue {
namespace {

TEST_F(SpoolTest, AJobIsSubmittedClaimedAndDone) {
  auto q = runner();
  const JobId id = submit(*q);
  EXPECT_EQ(id, 1);
  EXPECT_EQ((*q->find(id))->state, State::waiting);
  ASSERT_TRUE(q->take_changes());
  Claim c = must_claim(*q);
  EXPECT_EQ(c.job.id, id);
  EXPECT_EQ(c.attempt, 1);
  ASSERT_TRUE(q->make_claims_durable());
  EXPECT_EQ((*q->find(id))->state, State::running);
  EXPECT_FALSE(*q->find_result(id));
  EXPECT_TRUE(finish(*q, c));
  const auto status = *q->find(id);
  ASSERT_TRUE(status && status->result);
  EXPECT_EQ(status->state, State::done);
  EXPECT_EQ(read(status->result->feedback_path), "feedback\n");
  EXPECT_EQ(status->job.name, "test");
  EXPECT_FALSE(fs::exists(c.work_dir));
  EXPECT_EQ(q->stats()->done, 1u);
  EXPECT_EQ((*q->find_result(id))->feedback_path, status->result->feedback_path);
  EXPECT_FALSE(*q->find_result(99));
}

TEST_F(SpoolTest, RunnersThatLiveAreKnownByWhatTheySayOfThemselves) {
  EXPECT_TRUE(open()->runners()->empty());
  auto q = runner();
  EXPECT_EQ(q->runners()->size(), 1u);
  EXPECT_EQ(q->runners()->front().about_json, "");
  ASSERT_TRUE(q->introduce(R"({"host": "a"})"));
  EXPECT_FALSE(q->introduce("again"));
  submit(*q);
  ASSERT_TRUE(q->take_changes());
  const Claim c = must_claim(*q);
  auto looking = open();
  const Runner one = looking->runners()->at(0);
  EXPECT_EQ(one.about_json, R"({"host": "a"})");
  EXPECT_EQ(one.running, 1u);
  EXPECT_TRUE(finish(*q, c));
  EXPECT_EQ(looking->runners()->at(0).running, 0u);
  q->resign();
  EXPECT_TRUE(looking->runners()->empty());
  const pid_t child = ::fork();
  if (child == 0) ::_exit(runner()->introduce("{}") ? 7 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(WEXITSTATUS(status), 7);
  EXPECT_TRUE(looking->runners()->empty()) << "a dead one is none";
}

TEST_F(SpoolTest, InputsKeepTheVersionThatWasSubmitted) {
  auto q = runner();
  submit(*q);
  write(dir_ / "lab/Makefile", "changed");
  ASSERT_TRUE(q->take_changes());
  const Claim c = must_claim(*q);
  ASSERT_EQ(c.job.files.size(), 1u);
  FILE* out = ::tmpfile();
  ASSERT_TRUE(q->copy_input(c.job.files[0], ::fileno(out)));
  char text[64] = {};
  ::rewind(out);
  ASSERT_GT(::fread(text, 1, sizeof text - 1, out), 0u);
  ::fclose(out);
  EXPECT_STREQ(text, "all:\n\techo hello\n");
}

TEST_F(SpoolTest, ASecondResultOfOneJobIsNotTaken) {
  auto q = runner();
  const JobId id = submit(*q);
  ASSERT_TRUE(q->take_changes());
  const Claim c = must_claim(*q);
  EXPECT_TRUE(finish(*q, c, "first\n"));
  EXPECT_FALSE(q->commit(c, {})) << "the claim has ended";
  EXPECT_EQ(read((*q->find(id))->result->feedback_path), "first\n");
}

TEST_F(SpoolTest, ARetryWaitsItsTimeAndEndsAfterTheLastAttempt) {
  auto q = runner();
  const JobId id = submit(*q);
  ASSERT_TRUE(q->take_changes());
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const Claim c = must_claim(*q);
    EXPECT_EQ(c.attempt, attempt);
    ASSERT_TRUE(q->retry(c, "the driver failed", std::chrono::milliseconds(attempt == 1 ? 300 : 0)));
    if (attempt == 1) {
      EXPECT_FALSE(*q->claim()) << "not before its time";
      pollfd p{q->changes_fd(), POLLIN, 0};
      for (std::int64_t due = 0; due == 0;) {  // the name in ready/ holds the time
        for (const auto& e : fs::directory_iterator(spool_ / "ready/default"))
          if (const auto name = JobName::parse(e.path().filename().string())) due = name->due_ms;
        ASSERT_GT(due, 0);
        while (std::chrono::system_clock::now() < std::chrono::system_clock::time_point(std::chrono::milliseconds(due))) {
          ASSERT_EQ(::poll(&p, 1, 10'000), 1) << "the timer must wake us";
          ASSERT_TRUE(q->take_changes());
        }
      }
      EXPECT_EQ(::poll(&p, 1, 0), 0) << "once is enough: it must not spin until somebody claims";
    }
  }
  const auto status = *q->find(id);
  ASSERT_TRUE(status && status->result);
  EXPECT_EQ(status->result->outcome, Outcome::gave_up);
  EXPECT_EQ(status->result->reason, "the driver failed");
}

TEST_F(SpoolTest, LanesTakeTurnsAndInteractiveComesFirst) {
  auto q = runner();
  Job bulk;
  bulk.directory = "lab";
  bulk.lane = "a";
  bulk.job_class = JobClass::bulk;
  ASSERT_TRUE(q->submit(bulk, dir_ / "lab"));
  for (const char* lane : {"a", "a", "a", "b"}) submit(*q, lane);
  ASSERT_TRUE(q->take_changes());
  std::vector<JobId> order;
  for (int i = 0; i < 5; ++i) order.push_back(must_claim(*q).job.id);
  EXPECT_EQ(order, (std::vector<JobId>{2, 5, 3, 4, 1}));
}

TEST_F(SpoolTest, CancelOfAWaitingJobIsItsResult) {
  auto q = runner();
  const JobId id = submit(*q);
  auto other = open();
  EXPECT_EQ(*other->cancel(id, "uid:0"), CancelAnswer::cancelled);
  EXPECT_EQ(*other->cancel(id, "uid:0"), CancelAnswer::already_done);
  EXPECT_EQ(*other->cancel(id + 1, "uid:0"), CancelAnswer::unknown_id);
  ASSERT_TRUE(q->take_changes());
  EXPECT_FALSE(*q->claim());
  EXPECT_EQ((*q->find(id))->result->outcome, Outcome::cancelled);
}

TEST_F(SpoolTest, CancelOfARunningJobReachesItsRunner) {
  auto q = runner();
  const JobId id = submit(*q);
  ASSERT_TRUE(q->take_changes());
  const Claim c = must_claim(*q);
  auto other = open();
  EXPECT_EQ(*other->cancel(id, "uid:0"), CancelAnswer::cancelling);
  EXPECT_EQ(*q->take_changes(), std::vector<JobId>{id});
  EXPECT_TRUE((*other->find(id))->cancel_requested);
  ASSERT_TRUE(q->retry(c, "driver", std::chrono::milliseconds(0)));
  EXPECT_EQ((*q->find(id))->result->outcome, Outcome::cancelled) << "a cancelled job is never run again";
}

TEST_F(SpoolTest, AJobOfAKilledRunnerIsOfferedAgainAndItsOrphanKilledFirst) {
  submit(*open());
  const pid_t child = ::fork();
  if (child == 0) {
    auto q = runner();
    if (!must_claim(*q).work_dir.empty()) ::raise(SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  auto q = open();
  int killed = 0;
  const auto recovery = q->become_runner(true, [&](const Job& job, int attempt, const std::string& work) {
    ++killed;
    EXPECT_EQ(job.id, 1);
    EXPECT_EQ(attempt, 1);
    EXPECT_TRUE(fs::exists(work));
  });
  ASSERT_TRUE(recovery) << recovery.error().line();
  EXPECT_EQ(killed, 1);
  EXPECT_EQ(recovery->requeued, 1);
  EXPECT_EQ(must_claim(*q).attempt, 2);
}

// Who set such a mark was told that the job is being cancelled.
TEST_F(SpoolTest, AMarkOfAJobThatADeadRunnerHadOfferedAgainStillCancelsIt) {
  submit(*open());
  const pid_t child = ::fork();
  if (child == 0) {
    auto q = runner();
    const Claim claim = must_claim(*q);
    if (!q->retry(claim, "Error: a fault", std::chrono::milliseconds(0))) ::_exit(1);
    write(spool_ / "run" / fs::path(claim.work_dir).parent_path().filename() / "1.cancel", "");
    ::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  auto q = runner();
  const auto found = q->find(1);
  ASSERT_TRUE(found && *found);
  ASSERT_EQ((*found)->state, State::done);
  EXPECT_EQ((*found)->result->outcome, Outcome::cancelled);
  EXPECT_TRUE(fs::is_empty(spool_ / "ready/default"));
}

// The real disk, and something that happens just before a rename.
class DiskWithHook : public Disk {
 public:
  DiskWithHook(std::unique_ptr<Disk> real, std::function<void(const std::string& to)> before_rename)
      : real_(std::move(real)), before_rename_(std::move(before_rename)) {}
  Result<void> rename(const std::string& from, const std::string& to) override {
    before_rename_(to);
    return real_->rename(from, to);
  }
  Result<void> may_write() override { return real_->may_write(); }
  Result<int> create(const std::string& path) override { return real_->create(path); }
  Result<void> write(int file, std::string_view bytes) override { return real_->write(file, bytes); }
  Result<void> sync_file(int file) override { return real_->sync_file(file); }
  void close_file(int file) override { real_->close_file(file); }
  Result<void> sync_path(const std::string& path) override { return real_->sync_path(path); }
  Result<void> sync_directory(const std::string& path) override { return real_->sync_directory(path); }
  Result<void> link(const std::string& from, const std::string& to) override { return real_->link(from, to); }
  Result<void> unlink(const std::string& path) override { return real_->unlink(path); }
  Result<void> make_directory(const std::string& path) override { return real_->make_directory(path); }
  Result<void> remove_directory(const std::string& path) override { return real_->remove_directory(path); }
  Result<void> remove_tree(const std::string& path) override { return real_->remove_tree(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return real_->list(path); }
  Result<std::string> read(const std::string& path, std::uint64_t limit) override { return real_->read(path, limit); }
  Result<FileInfo> info(const std::string& path) override { return real_->info(path); }
  Result<void> stream(const std::string& path, const Take& take) override { return real_->stream(path, take); }
  Result<void> publish(const std::string& to, const std::string& from) override { return real_->publish(to, from); }
  Result<std::unique_ptr<Lock>> lock(const std::string& path) override { return real_->lock(path); }
  std::string owner() override { return real_->owner(); }
  bool owner_is_alive(const std::string& owner) override { return real_->owner_is_alive(owner); }
  std::string absolute(const std::string& path) const override { return real_->absolute(path); }
  std::int64_t now_ms() override { return real_->now_ms(); }

 private:
  std::unique_ptr<Disk> real_;
  std::function<void(const std::string& to)> before_rename_;
};

// In the moment between the retry's look for the mark and its rename.
TEST_F(SpoolTest, ACancelThatComesInTheMiddleOfARetryIsNotForgotten) {
  auto other = open();
  const JobId id = submit(*other);
  SpoolOptions options;
  options.path = spool_;
  options.disk = std::make_unique<DiskWithHook>(std::move(*open_linux_disk(spool_, false)), [&](const std::string& to) {
    if (!to.starts_with("ready/")) return;
    const auto answer = other->cancel(id, "somebody");
    EXPECT_TRUE(answer && *answer == CancelAnswer::cancelling);
  });
  auto q = std::move(*open_spool(std::move(options)));
  ASSERT_TRUE(q->become_runner(true, ignore_orphans));
  ASSERT_TRUE(q->retry(must_claim(*q), "Error: a fault", std::chrono::milliseconds(0)));
  const auto found = q->find(id);
  ASSERT_TRUE(found && *found);
  ASSERT_EQ((*found)->state, State::done);
  EXPECT_EQ((*found)->result->outcome, Outcome::cancelled);
}

TEST_F(SpoolTest, AJobWhoseClaimFailedHalfwayIsStillThereAfterTheRunnerIsGone) {
  {
    auto q = runner();
    submit(*q);
    ASSERT_TRUE(q->take_changes());
    // The claim's rename works, its work directory cannot be made: as on a disk without inodes.
    for (const auto& owner : fs::directory_iterator(spool_ / "work")) {
      fs::remove_all(owner.path());
      write(owner.path(), "in the way");
    }
    EXPECT_FALSE(q->claim());
  }
  fs::remove_all(spool_ / "work");
  fs::create_directory(spool_ / "work");
  auto q = runner();
  EXPECT_EQ(must_claim(*q).job.id, 1);
}

TEST_F(SpoolTest, ASecondDaemonIsRefusedInOneLineThatNamesTheFirst) {
  auto q = runner();
  auto second = open();
  const auto refused = second->become_runner(true, ignore_orphans);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().line(), HasSubstr("another milongad runs this spool: " + std::to_string(::getpid())));
  EXPECT_EQ(refused.error().line().find('\n'), std::string::npos);
  q.reset();
  EXPECT_TRUE(second->become_runner(true, ignore_orphans));
}

TEST_F(SpoolTest, EightRunnersClaimEachJobOnce) {
  constexpr int kJobs = 400, kRunners = 8;
  {
    auto q = open();
    for (int i = 0; i < kJobs; ++i) submit(*q, "lane" + std::to_string(i % 3));
  }
  std::vector<pid_t> children;
  for (int r = 0; r < kRunners; ++r) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto q = open();
      if (!q->become_runner(false, ignore_orphans)) ::_exit(1);
      std::ofstream seen(dir_ / ("seen" + std::to_string(r)));
      while (auto claim = q->claim()) {
        if (!*claim) break;
        seen << (*claim)->job.id << "\n";
        if (!finish(*q, **claim)) ::_exit(2);
      }
      seen.close();
      q.reset();
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  std::multiset<JobId> all;
  for (int r = 0; r < kRunners; ++r) {
    std::ifstream seen(dir_ / ("seen" + std::to_string(r)));
    for (JobId id; seen >> id;) all.insert(id);
  }
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kJobs));
  EXPECT_EQ(std::set<JobId>(all.begin(), all.end()).size(), static_cast<std::size_t>(kJobs));
}

TEST_F(SpoolTest, BrokenFilesAreSetAsideWithTheReasonAndTheQueueGoesOn) {
  {
    auto q = open();
    submit(*q);
    submit(*q);
  }
  const auto lane = spool_ / "ready/default";
  fs::path first;
  for (const auto& e : fs::directory_iterator(lane))
    if (e.path().filename().string().starts_with("0000000001")) first = e.path();
  fs::resize_file(first, fs::file_size(first) - 1);
  write(lane / "notes.txt", "hello");
  write(spool_ / "ready/stray", "x");
  auto q = runner();
  EXPECT_EQ(must_claim(*q).job.id, 2);
  EXPECT_FALSE(*q->claim());
  EXPECT_THAT(read(spool_ / "bad" / (first.filename().string() + ".why")), HasSubstr("torn"));
  EXPECT_THAT(read(spool_ / "bad/notes.txt.why"), HasSubstr("its name is not that of a job"));
  EXPECT_TRUE(fs::exists(spool_ / "bad/stray"));
}

TEST_F(SpoolTest, IdsAreNeverUsedAgainAlsoWhenTheCounterIsLost) {
  JobId last = 0;
  {
    auto q = open();
    submit(*q);
    last = submit(*q);
  }
  fs::remove_all(spool_ / "id");
  fs::create_directory(spool_ / "id");
  {
    auto q = open();
    Job job;
    job.directory = "lab";
    EXPECT_FALSE(q->submit(job, dir_ / "lab"));
  }
  auto q = runner();
  EXPECT_GT(submit(*q), last);
}

TEST_F(SpoolTest, WhatIsNotASpoolIsLeftAlone) {
  fs::create_directory(spool_);
  write(spool_ / "thesis.tex", "");
  SpoolOptions options;
  options.path = spool_;
  options.create = true;
  options.allow_volatile = true;
  const auto q = open_spool(std::move(options));
  ASSERT_FALSE(q);
  EXPECT_THAT(q.error().line(), HasSubstr("thesis.tex"));
  EXPECT_EQ(std::distance(fs::directory_iterator(spool_), fs::directory_iterator()), 1);
}

TEST_F(SpoolTest, OfAnotherVersionIsRefused) {
  open();
  write(spool_ / "FORMAT", "milonga-spool 2 x\n");
  SpoolOptions options;
  options.path = spool_;
  options.allow_volatile = true;
  const auto q = open_spool(std::move(options));
  ASSERT_FALSE(q);
  EXPECT_THAT(q.error().line(), HasSubstr("another version"));
}

TEST_F(SpoolTest, InputsThatAreNoFilesAreRefusedByName) {
  auto q = open();
  Job job;
  job.directory = "lab";
  ASSERT_EQ(::mkfifo((dir_ / "lab/pipe").c_str(), 0600), 0);
  auto refused = q->submit(job, dir_ / "lab");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().line(), HasSubstr("lab/pipe"));
  fs::remove(dir_ / "lab/pipe");
  fs::create_symlink("/etc/passwd", dir_ / "lab/link");
  refused = q->submit(job, dir_ / "lab");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().line(), HasSubstr("leads out"));
  EXPECT_EQ(q->stats()->waiting, 0u);
  EXPECT_TRUE(fs::is_empty(spool_ / "tmp"));
  fs::remove(dir_ / "lab/link");
  refused = q->submit(job, dir_ / "nowhere");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().line(), HasSubstr("nowhere"));
}

TEST_F(SpoolTest, TheFeedbackIsPublishedWhereTheJobSaidAndAFailureIsKept) {
  auto q = runner();
  Job job;
  job.directory = "lab";
  job.output = dir_ / "out.txt";
  const JobId id = *q->submit(job, dir_ / "lab");
  job.output = dir_ / "no/such/out.txt";
  const JobId lost = *q->submit(job, dir_ / "lab");
  ASSERT_TRUE(q->take_changes());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(finish(*q, must_claim(*q), "score\n"));
  EXPECT_EQ(read(dir_ / "out.txt"), "score\n");
  EXPECT_EQ((*q->find(id))->publish_error, "");
  EXPECT_THAT((*q->find(lost))->publish_error, HasSubstr("no/such/out.txt"));
}

TEST_F(SpoolTest, NewsOfAJobComesByEventAndNotByPolling) {
  auto q = runner();
  ASSERT_TRUE(q->take_changes());
  pollfd p{q->changes_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&p, 1, 0), 0);
  auto producer = open();
  submit(*producer, "new lane");
  ASSERT_EQ(::poll(&p, 1, 10'000), 1);
  ASSERT_TRUE(q->take_changes());
  EXPECT_EQ(must_claim(*q).job.lane, "new lane");
}

}  // namespace
}  // namespace milonga::queue
