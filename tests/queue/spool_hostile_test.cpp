// Spools in which somebody wrote by hand, bytes rotted, a directory is gone or a
// call of the kernel fails for a while: each such thing costs at most itself.
#include <sys/resource.h>
#include <unistd.h>

#include "queue/record.h"
#include "tests/queue/spool_fixture.h"

namespace milonga::queue {
namespace {

class HostileSpoolTest : public SpoolTest {
 protected:
  fs::path lane() const { return spool_ / "ready/default"; }
  fs::path waiting(JobId id) const {
    for (const auto& e : fs::directory_iterator(lane()))
      if (JobName::parse(e.path().filename().string())->id == id) return e.path();
    return {};
  }
  Job lab_job() const {
    Job job;
    job.directory = "lab";
    return job;
  }
  static std::size_t count(const fs::path& directory) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
  }
};

// ---- what would not be read again is not accepted

TEST_F(HostileSpoolTest, AFileNameThatIsNotTextIsRefusedAtSubmitByItsName) {
  auto q = runner();
  write(dir_ / "lab/na\xefve.c", "");
  const auto refused = q->submit(lab_job(), dir_ / "lab");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().line(), HasSubstr("na\\xefve.c"));
  EXPECT_EQ(q->stats()->waiting, 0u);
}

TEST_F(HostileSpoolTest, ATextFieldThatIsNotUtf8IsRefusedAtSubmit) {
  auto q = runner();
  Job job = lab_job();
  job.name = "caf\xe9";
  const auto refused = q->submit(job, dir_ / "lab");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().line(), HasSubstr("field 'name'"));
  job = lab_job();
  job.command = {"make", "\xff"};
  EXPECT_FALSE(q->submit(job, dir_ / "lab"));
  job = lab_job();
  job.directory = "\xc0\x80";
  EXPECT_FALSE(q->submit(job, dir_ / "lab"));
}

TEST_F(HostileSpoolTest, AReasonThatIsNotTextStillMakesAResultThatCanBeRead) {
  auto q = runner();
  const JobId id = submit(*q);
  ASSERT_TRUE(q->take_changes());
  const Claim c = must_claim(*q);
  Completion end;
  end.outcome = Outcome::gave_up;
  end.reason = "the driver said: caf\xc3";  // cut in the middle of a character
  ASSERT_TRUE(q->commit(c, end));
  const auto status = q->find(id);
  ASSERT_TRUE(status) << status.error().line();
  EXPECT_THAT((*status)->result->reason, HasSubstr("the driver said: caf"));
}

// ---- late news

TEST(Index, LateNewsOfAnOldNameDoesNotHideTheNameOfTheRetry) {
  Index index;
  JobName first{1, JobClass::interactive, 0, 0, 0, "00000000", "00000000"};
  JobName retried = first;
  retried.attempt = 1;
  for (const bool old_first : {true, false}) {
    index.add("default", old_first ? first : retried, 0);
    index.add("default", old_first ? retried : first, 0);
    std::set<std::string> names;
    for (int i = 0; i < 2; ++i)
      if (const auto next = index.take(1)) names.insert(next->name.text());
    EXPECT_EQ(names, (std::set{first.text(), retried.text()})) << "which of them is still a file, the claim finds out";
    EXPECT_FALSE(index.take(1));
  }
}

TEST(Index, TheSameNewsTwiceIsOneEntry) {
  Index index;
  const JobName now{1, JobClass::bulk, 0, 0, 0, "00000000", "00000000"};
  JobName later = now;
  later.due_ms = 50;
  for (int i = 0; i < 3; ++i) index.add("default", now, 0), index.add("default", later, 50);
  EXPECT_TRUE(index.take(1));
  EXPECT_FALSE(index.take(1));
  EXPECT_EQ(index.next_due_ms(1), 50);
  EXPECT_TRUE(index.take(50));
  EXPECT_FALSE(index.take(50));
}

// ---- what is broken costs itself

TEST_F(HostileSpoolTest, AnUnreadableResultOfARunningJobDoesNotPreventAStart) {
  for (const bool as_directory : {false, true}) {
    auto q = runner();
    const JobId id = submit(*q);
    ASSERT_TRUE(q->take_changes());
    const Claim c = must_claim(*q);
    EXPECT_EQ(c.job.id, id);
    const fs::path result = spool_ / "done/0" / (std::to_string(id) + ".res");
    fs::create_directories(result.parent_path());
    if (as_directory) fs::create_directory(result);
    else write(result, "rotten");
    q.reset();  // the job stays in run/
    q = open();
    const auto recovery = q->become_runner(true, ignore_orphans);
    ASSERT_TRUE(recovery) << recovery.error().line();
    EXPECT_EQ(must_claim(*q).job.id, id);
    EXPECT_TRUE(finish(*q, Claim{(*q->find(id))->job, 2, (spool_ / "work").string() + "/" + (*q->find(id))->runner + "/" +
                                                             std::to_string(id) + ".2"}));
  }
}

TEST_F(HostileSpoolTest, ANameAsLongAsNamesCanBeIsSetAside) {
  auto q = open();
  submit(*q);
  write(lane() / std::string(255, 'x'), "");
  write(lane() / (std::string(254, 'x') + "y"), "");
  for (int i = 0; i < 2; ++i) {
    auto daemon = open();
    const auto started = daemon->become_runner(true, ignore_orphans);
    ASSERT_TRUE(started) << started.error().line();
    EXPECT_EQ(must_claim(*daemon).job.id, 1);
    write(lane() / std::string(255, 'x'), "");
  }
  EXPECT_GE(count(spool_ / "bad"), 4u) << "each with its reason";
}

TEST_F(HostileSpoolTest, WhatCannotBeSetAsideStaysAndTheQueueGoesOn) {
  auto q = open();
  submit(*q);
  write(lane() / "notes.txt", "");
  fs::remove(spool_ / "bad");
  write(spool_ / "bad", "in the way");
  auto daemon = open();
  const auto started = daemon->become_runner(true, ignore_orphans);
  ASSERT_TRUE(started) << started.error().line();
  EXPECT_TRUE(fs::exists(lane() / "notes.txt"));
  EXPECT_EQ(must_claim(*daemon).job.id, 1);
}

TEST_F(HostileSpoolTest, AnIdInAFileNameIsNotBelieved) {
  {
    auto q = open();
    submit(*q);
    JobName huge = *JobName::parse(waiting(1).filename().string());
    huge.id = 2'000'000'000;
    write(lane() / huge.text(), "");
    huge.id = 1'999'999'999;
    fs::copy_file(waiting(1), lane() / huge.text());
    fs::create_directories(spool_ / "done/2000001");
    write(spool_ / "done/2000001/2000001000.res", "");
  }
  auto q = runner();
  EXPECT_EQ(submit(*q), 2) << "the ids are not used up";
  ASSERT_TRUE(q->take_changes());
  EXPECT_EQ(must_claim(*q).job.id, 1);
  EXPECT_EQ(must_claim(*q).job.id, 2);
  EXPECT_FALSE(*q->claim());
}

TEST_F(HostileSpoolTest, ASecondFileWithTheIdOfARunningJobIsSetAside) {
  auto q = runner();
  const JobId id = submit(*q);
  const fs::path job = waiting(id);
  fs::copy_file(job, dir_ / "copy");
  ASSERT_TRUE(q->take_changes());
  const Claim c = must_claim(*q);
  fs::copy_file(dir_ / "copy", job);
  ASSERT_TRUE(q->take_changes());
  EXPECT_FALSE(*q->claim());
  EXPECT_TRUE(finish(*q, c));
  EXPECT_EQ((*q->find(id))->result->attempt, 1);
  EXPECT_FALSE(fs::exists(job));
  EXPECT_TRUE(fs::exists(spool_ / "bad" / job.filename()));
}

TEST_F(HostileSpoolTest, AnotherJobUnderTheIdOfADoneOneIsKeptAndNotPublished) {
  auto q = runner();
  const JobId id = submit(*q);
  std::string name = waiting(id).filename();
  ASSERT_TRUE(q->take_changes());
  EXPECT_TRUE(finish(*q, must_claim(*q)));
  Job impostor = (*q->find(id))->job;
  impostor.output = dir_ / "stolen";
  write(lane() / name, write_job(impostor));
  ASSERT_TRUE(q->take_changes());
  EXPECT_FALSE(*q->claim());
  EXPECT_FALSE(fs::exists(dir_ / "stolen"));
  EXPECT_EQ((*q->find(id))->job.output, "");
  EXPECT_TRUE(fs::exists(spool_ / "bad" / name.replace(13, 2, "01"))) << "not thrown away";
}

TEST_F(HostileSpoolTest, AStrayFileBesideTheNextIdHoldsNobodyUp) {
  auto q = runner();
  for (int i = 0; i < 50; ++i) write(spool_ / "id" / (std::to_string(i * 7) + "~"), "");
  write(spool_ / "id/999999999999", "");
  EXPECT_EQ(submit(*q), 1);
}

// ---- directories that go, or are swapped

TEST_F(HostileSpoolTest, ALaneThatIsGoneIsMadeAgainForARetry) {
  auto q = runner();
  submit(*q);
  ASSERT_TRUE(q->take_changes());
  const Claim c = must_claim(*q);
  fs::remove(lane());
  const auto retried = q->retry(c, "driver", std::chrono::milliseconds(0));
  ASSERT_TRUE(retried) << retried.error().line();
  EXPECT_EQ(must_claim(*q).attempt, 2);
  fs::remove(lane());
  EXPECT_EQ(submit(*q), 2) << "and for a producer that knew the lane";
}

TEST_F(HostileSpoolTest, NoJobLeavesTheSpoolThroughALink) {
  auto q = runner();
  submit(*q);
  ASSERT_TRUE(q->take_changes());
  const Claim c = must_claim(*q);
  fs::create_directory(dir_ / "elsewhere");
  fs::remove(lane());
  fs::create_directory_symlink(dir_ / "elsewhere", lane());
  const auto retried = q->retry(c, "driver", std::chrono::milliseconds(0));
  ASSERT_TRUE(retried) << retried.error().line();
  EXPECT_TRUE(fs::is_empty(dir_ / "elsewhere"));
  EXPECT_FALSE(fs::is_symlink(lane()));
  EXPECT_EQ(must_claim(*q).attempt, 2);
}

TEST_F(HostileSpoolTest, NoCallOfTheDiskFollowsALinkOutOfTheSpool) {
  auto disk = std::move(*open_linux_disk((fs::create_directories(spool_), spool_), false));
  fs::create_directory(dir_ / "elsewhere");
  write(dir_ / "elsewhere/file", "mine");
  write(spool_ / "inside", "job");
  fs::create_directory_symlink(dir_ / "elsewhere", spool_ / "link");
  EXPECT_FALSE(disk->rename("inside", "link/out"));
  EXPECT_FALSE(disk->rename("link/file", "in"));
  EXPECT_FALSE(disk->link("inside", "link/out"));
  EXPECT_FALSE(disk->link("link/file", "in"));
  EXPECT_FALSE(disk->unlink("link/file"));
  EXPECT_FALSE(disk->make_directory("link/dir"));
  EXPECT_FALSE(disk->create("link/new"));
  EXPECT_FALSE(disk->read("link/file", 100));
  EXPECT_FALSE(disk->remove_tree("link/file"));
  const auto info = disk->info("link/file");
  EXPECT_TRUE(!info || !info->exists);
  EXPECT_EQ(count(dir_ / "elsewhere"), 1u);
}

// ---- passing troubles

TEST_F(HostileSpoolTest, AJobThatCannotBeReadForLackOfDescriptorsStaysInTheQueue) {
  auto q = runner();
  submit(*q);
  ASSERT_TRUE(q->take_changes());
  rlimit old{}, none{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  none = {0, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto failed = q->claim();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_FALSE(failed);
  EXPECT_TRUE(fs::is_empty(spool_ / "bad"));
  EXPECT_EQ((*q->find(1))->state, State::waiting);
  EXPECT_EQ((*q->find(1))->attempt, 0) << "nothing was executed";
  q.reset();
  q = runner();
  EXPECT_EQ(must_claim(*q).attempt, 1);
}

// ---- inputs

TEST_F(HostileSpoolTest, AChangedInputIsNotHandedOut) {
  auto q = runner();
  submit(*q);
  ASSERT_TRUE(q->take_changes());
  const Claim c = must_claim(*q);
  const InputFile& file = c.job.files.at(0);
  const fs::path blob = spool_ / "blob" / file.sha256.substr(0, 2) / file.sha256.substr(2);
  FILE* out = ::tmpfile();
  write(blob, std::string(file.size, 'x'));
  auto copied = q->copy_input(file, ::fileno(out));
  ASSERT_FALSE(copied) << "same size, other bytes";
  EXPECT_THAT(copied.error().line(), HasSubstr(file.path));
  write(blob, "all:");
  EXPECT_FALSE(q->copy_input(file, ::fileno(out)));
  fs::remove(blob);
  ASSERT_EQ(::mkfifo(blob.c_str(), 0600), 0);
  EXPECT_FALSE(q->copy_input(file, ::fileno(out))) << "and nobody waits for a FIFO";
  ::fclose(out);
}

TEST_F(HostileSpoolTest, ATornBlobIsReplacedByTheNextSubmitOfThatFile) {
  auto q = runner();
  submit(*q);
  ASSERT_TRUE(q->take_changes());
  const InputFile file = must_claim(*q).job.files.at(0);
  fs::resize_file(spool_ / "blob" / file.sha256.substr(0, 2) / file.sha256.substr(2), 1);
  submit(*q);
  FILE* out = ::tmpfile();
  EXPECT_TRUE(q->copy_input(file, ::fileno(out)));
  ::fclose(out);
}

// ---- other people's spools

TEST_F(HostileSpoolTest, ASpoolOfAnotherUserIsReadAndNotWritten) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to be somebody else's spool";
  {
    auto q = open();
    submit(*q);
  }
  fs::permissions(dir_, fs::perms::all);
  for (auto& e : fs::recursive_directory_iterator(spool_)) ASSERT_EQ(::lchown(e.path().c_str(), 65534, 65534), 0);
  ASSERT_EQ(::chown(spool_.c_str(), 65534, 65534), 0);
  auto q = open();
  const auto refused = q->submit(lab_job(), dir_ / "lab");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().line(), HasSubstr("belongs to"));
  EXPECT_THAT(refused.error().line(), HasSubstr("nobody"));
  EXPECT_FALSE(q->cancel(1, "uid:0"));
  EXPECT_FALSE(q->become_runner(true, ignore_orphans));
  EXPECT_EQ(q->list(0)->size(), 1u) << "looking is allowed";
  for (auto& e : fs::recursive_directory_iterator(spool_)) {
    struct stat st {};
    ASSERT_EQ(::lstat(e.path().c_str(), &st), 0);
    EXPECT_EQ(st.st_uid, 65534u) << e.path();
  }
}

}  // namespace
}  // namespace milonga::queue
