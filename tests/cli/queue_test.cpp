// milonga on a spool. Where a job must run, this test is the runner: the same
// spool, claimed and committed through the queue's own interface.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "cli/command.h"
#include "queue/spool.h"
#include "tests/cli/program.h"

namespace milonga::test {
namespace {

constexpr const char* kReport =
    R"({"schema":1,"verdict":"cpu_limit","exit_code":null,"signal":null,"error":null,
  "stopped_by":"cgroup v1 cpuacct.usage","wall_s":1.5,"cpu_s":1.25,"memory_peak_bytes":1048576,"oom_kills":0,
  "processes_peak":2,"forks_refused":0,"disk_bytes":0,"inodes":1,"output_bytes":5,"output_kept_bytes":5,
  "demands":{)";

std::string report() {
  std::string text = kReport;
  for (const LimitRow& row : kLimits)
    text += std::string(row.id == LimitId::wall ? "" : ",") + "\"" + row.name + "\":{\"requested\":null}";
  return text + "}}";
}

class Spool : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(temporary / "lab");
    write(temporary / "lab/Makefile", "all:\n\techo hello\n");
    queue_ = open(true);
    ASSERT_NE(queue_, nullptr);
  }

  std::unique_ptr<queue::Queue> open(bool create) {
    queue::SpoolOptions options;
    options.path = temporary / "spool";
    options.create = create;
    options.allow_volatile = true;
    auto opened = queue::open_spool(std::move(options));
    EXPECT_TRUE(opened) << opened.error().line();
    return opened ? std::move(*opened) : nullptr;
  }

  std::vector<std::string> words(std::vector<std::string> rest) const {
    rest.insert(rest.begin(), {"--spool", temporary / "spool"});
    return rest;
  }
  Said ask(std::vector<std::string> rest) const { return milonga(words(std::move(rest))); }

  // Becomes the runner, the first time, and takes the next job.
  queue::Claim claim() {
    if (!is_runner_) {
      EXPECT_TRUE(queue_->become_runner(true, [](const queue::Job&, int, const std::string&) {}));
    }
    is_runner_ = true;
    while (true) {
      auto claimed = queue_->claim();
      EXPECT_TRUE(claimed) << claimed.error().line();
      if (!claimed || *claimed) return claimed ? **claimed : queue::Claim{};
      pollfd wait{queue_->changes_fd(), POLLIN, 0};
      EXPECT_EQ(::poll(&wait, 1, 60'000), 1);
      EXPECT_TRUE(queue_->take_changes());
    }
  }
  void commit(const queue::Claim& claimed, const std::string& feedback) {
    queue::Completion completion;
    completion.report_json = report();
    completion.feedback_name = feedback;
    const auto committed = queue_->commit(claimed, completion);
    EXPECT_TRUE(committed) << committed.error().line();
  }

  // Everything that is in the spool, by name.
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(temporary / "spool"))
      found.insert(entry.path().string());
    return found;
  }
  // The one file below the spool whose name begins like this.
  std::string file_of(const std::string& folder, const std::string& begins) const {
    for (const auto& entry : std::filesystem::directory_iterator(temporary / ("spool/" + folder)))
      if (entry.path().filename().string().starts_with(begins)) return entry.path().string();
    ADD_FAILURE() << "no " << begins << "... in " << folder;
    return {};
  }
  static void spoil(const std::string& path) { std::ofstream(path, std::ios::trunc) << "rotten\n"; }

  TemporaryDirectory temporary;
  std::unique_ptr<queue::Queue> queue_;
  bool is_runner_ = false;
};

TEST_F(Spool, ASubmittedJobHasItsFilesLimitsAndNameInTheQueue) {
  const Said said = ask({"submit", temporary / "lab", "--name", "ana", "--lane", "hw1", "--bulk", "--memory",
                         "256M", "--publish", temporary / "out", "--command", "--", "echo", "a b"});
  EXPECT_EQ(said.exit_status, cli::kOk) << said.err;
  EXPECT_EQ(said.out, "1\n");
  const auto found = queue_->find(1);
  ASSERT_TRUE(found && *found);
  const queue::Job& job = (*found)->job;
  EXPECT_EQ(job.name, "ana");
  EXPECT_EQ(job.lane, "hw1");
  EXPECT_EQ(job.job_class, queue::JobClass::bulk);
  EXPECT_EQ(job.directory, "lab");
  EXPECT_EQ(job.options, (std::map<std::string, std::string>{{"memory", "256M"}}));
  EXPECT_EQ(job.command, (std::vector<std::string>{"echo", "a b"}));
  EXPECT_EQ(job.output, temporary / "out");
  ASSERT_EQ(job.files.size(), 1u);
  EXPECT_EQ(job.files[0].path, "Makefile");
}

TEST_F(Spool, ADirectoryThatCannotBeReadIsRefusedInOneLine) {
  const Said said = ask({"submit", temporary / "none"});
  EXPECT_EQ(said.exit_status, cli::kFailed);
  EXPECT_TRUE(said.one_line_of_error()) << said.err;
}

TEST_F(Spool, WhatIsNoDirectoryOrNoNameIsRefusedInOneLine) {
  const Said file = ask({"submit", temporary / "lab/Makefile"});
  EXPECT_EQ(file.exit_status, cli::kFailed);
  EXPECT_TRUE(file.one_line_of_error()) << file.err;
  EXPECT_NE(file.err.find("Not a directory"), std::string::npos) << file.err;
  for (const std::string& name : {std::string("a\xff"), std::string("a\nb"), std::string(256, 'x')}) {
    const Said said = ask({"submit", temporary / "lab", "--name", name});
    EXPECT_EQ(said.exit_status, cli::kUsage);
    EXPECT_TRUE(said.one_line_of_error()) << said.err;
    EXPECT_NE(said.err.find("'name'"), std::string::npos) << said.err;
  }
  EXPECT_EQ(ask({"list", "--json"}).json().as_array().size(), 0u);
}

TEST_F(Spool, ASpoolOfAnotherUserIsOneLine) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: becoming another user needs root";
  ask({"submit", temporary / "lab"});
  ASSERT_EQ(::chmod((temporary / "").c_str(), 0755), 0);
  for (const char* command :
       {"list", "status", "status 1", "watch", "watch 1", "logs 1", "logs 1 -f", "cancel 1"}) {
    std::vector<std::string> all = {"--reuid=65534", "--regid=65534", "--clear-groups",
                                    MILONGA,         "--spool",       temporary / "spool"};
    std::istringstream some(command);
    for (std::string word; some >> word;) all.push_back(word);
    const Said said = Program(all, "/usr/bin/setpriv").end();
    EXPECT_EQ(said.exit_status, cli::kFailed) << command;
    EXPECT_TRUE(said.one_line_of_error()) << said.err;
    EXPECT_NE(said.err.find("is not open to you"), std::string::npos) << said.err;
  }
}

TEST_F(Spool, AReaderThatIsGoneEndsTheCommandInOneLineAndDoesNotHideTheJob) {
  for (const char* command : {"submit lab", "list", "status 1", "watch 1", "watch 1 --json", "watch",
                              "watch --json", "logs 1 -f", "submit lab --wait", "cancel 1"}) {
    const std::string error = temporary / "error";
    // The reader first closes its end, and only then lets the command begin.
    const std::string script = "cd " + temporary / "" +
                               " && rm -f go && mkfifo go && (read _ <go; timeout 20 " MILONGA
                               " --spool spool " +
                               command + "; echo $? >status) 2>error | { exec <&-; echo >go; }";
    ASSERT_EQ(std::system(script.c_str()), 0);
    EXPECT_EQ(read(temporary / "status"), "3\n") << command;
    const std::string said = read(error), last = said.substr(said.rfind("milonga: "));
    EXPECT_NE(last.find("cannot write to 'standard output': Broken pipe\n"), std::string::npos)
        << command << ": " << said;
    if (command == std::string("submit lab")) {
      EXPECT_EQ(said, "milonga: job 1 is in the queue, but cannot write to 'standard output': Broken pipe\n");
    }
  }
}

TEST_F(Spool, AnInterruptedWaitSaysThatTheJobGoesOn) {
  ask({"submit", temporary / "lab"});
  const struct {
    std::vector<std::string> words;
    const char *waits, *says;
  } rows[] = {
      {{"watch", "1"}, "job 1: waiting", "milonga: job 1 goes on, it is only not watched any more\n"},
      {{"watch"}, " waiting, ", "milonga: the queue goes on, it is only not watched any more\n"},
      {{"logs", "1", "-f"}, "", "milonga: job 1 goes on, its output is only not followed any more\n"},
      {{"submit", temporary / "lab", "--wait"},
       ": waiting",
       "milonga: job 2 goes on (milonga watch 2, milonga cancel 2)\n"},
  };
  for (const int number : {SIGINT, SIGTERM})
    for (const auto& row : rows) {
      Program program(words(row.words), MILONGA, Streams::merged);
      ASSERT_TRUE(program.says(row.waits));
      ASSERT_TRUE(program.sleeps());
      program.signal(number);
      const Said said = program.end();
      EXPECT_EQ(said.exit_status, 128 + number) << row.words[0];
      EXPECT_TRUE(said.out.ends_with(row.words[0] == "submit" && number == SIGTERM
                                         ? "milonga: job 3 goes on (milonga watch 3, milonga cancel 3)\n"
                                         : row.says))
          << said.out;
      EXPECT_EQ(ask({"status", "1", "--json"}).json().at("state"), "waiting");
    }
}

TEST_F(Spool, StatusAndListShowWaitingJobsInTheirOrder) {
  EXPECT_EQ(ask({"submit", temporary / "lab", "--json"}).json().at("id"), 1);
  ask({"submit", temporary / "lab"});
  const auto job = ask({"status", "2", "--json"}).json();
  EXPECT_EQ(job.at("state"), "waiting");
  EXPECT_EQ(job.at("position"), 1);
  EXPECT_TRUE(job.at("verdict").is_null());
  EXPECT_TRUE(job.at("report").is_null());
  const auto all = ask({"list", "--json"}).json();
  ASSERT_EQ(all.as_array().size(), 2u);
  EXPECT_EQ(all.as_array()[0].at("id"), 1);
  const auto stats = ask({"status", "--json"}).json();
  EXPECT_EQ(stats.at("waiting"), 2);
  EXPECT_EQ(stats.at("bad"), 0);
  EXPECT_EQ(ask({"status", "1"}).out.substr(0, 20), "job 1: waiting, next");
}

TEST_F(Spool, AWaitingJobIsCancelledAtOnceAndExitsWith5) {
  ask({"submit", temporary / "lab"});
  const Said said = ask({"cancel", "1", "--json"});
  EXPECT_EQ(said.exit_status, cli::kOk);
  EXPECT_EQ(said.json().at("answer"), "cancelled");
  EXPECT_EQ(ask({"cancel", "1", "--json"}).json().at("answer"), "already_done");
  const Said status = ask({"status", "1", "--json"});
  EXPECT_EQ(status.exit_status, cli::kCancelled);
  EXPECT_EQ(status.json().at("verdict"), "cancelled");
  EXPECT_EQ(ask({"watch", "1"}).exit_status, cli::kCancelled);
}

TEST_F(Spool, NoSuchJobIsOneLineThatNamesTheSpoolAndExits4AndMakesNothing) {
  const auto before = names();
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"status"}, {"watch"}, {"watch", "--json"}, {"logs"}, {"logs", "--follow"}, {"cancel"}})
    for (const char* id : {"7", "0", "seven", "123456", "99999999999"}) {
      std::vector<std::string> all = command;
      all.emplace_back(id);
      const Said said = ask(all);
      EXPECT_EQ(said.exit_status, cli::kNoSuchJob) << command[0] << " " << id;
      EXPECT_TRUE(said.one_line_of_error()) << said.err;
      EXPECT_NE(said.err.find("no job '" + std::string(id) + "' in spool '" + temporary / "spool'"),
                std::string::npos)
          << said.err;
    }
  EXPECT_EQ(names(), before);
}

TEST_F(Spool, ABrokenRecordIsShownWithItsReasonAndHidesNoOther) {
  for (int i = 0; i < 5; ++i) ask({"submit", temporary / "lab"});
  ask({"cancel", "1"});
  ask({"cancel", "2"});
  spoil(file_of("done/0", "1.res"));
  spoil(file_of("done/0", "2.job"));
  spoil(file_of("ready/default", "0000000003"));
  std::filesystem::copy_file(file_of("ready/default", "0000000004"), file_of("ready/default", "0000000005"),
                             std::filesystem::copy_options::overwrite_existing);
  std::ofstream(temporary / "spool/done/stray") << "x";
  const Said said = ask({"list", "--json"});
  ASSERT_EQ(said.exit_status, cli::kOk) << said.err;
  const auto all = said.json().as_array();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[4].at("id"), 5);
  EXPECT_NE(all[4].at("record_error").as_string().find("field 'id' is 4"), std::string::npos) << all[4];
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(all[i].at("id"), static_cast<int>(i) + 1);
    ASSERT_TRUE(all[i].at("record_error").is_string()) << all[i];
    EXPECT_NE(all[i].at("record_error").as_string().find("milonga-"), std::string::npos) << all[i];
  }
  EXPECT_TRUE(all[0].at("verdict").is_null());
  EXPECT_EQ(all[0].at("state"), "done");
  EXPECT_EQ(all[1].at("verdict"), "cancelled");
  EXPECT_EQ(all[2].at("state"), "waiting");
  EXPECT_TRUE(all[3].at("record_error").is_null());
  const std::string text = ask({"list"}).out;
  EXPECT_NE(text.find("\n     3  -                     waiting  unreadable"), std::string::npos) << text;
  EXPECT_NE(text.find("spool/ready/default/0000000003"), std::string::npos) << text;
  for (const char* id : {"1", "3"}) {
    const Said one = ask({"status", id});
    EXPECT_EQ(one.exit_status, cli::kFailed);
    EXPECT_NE(one.out.find("unreadable: '" + temporary / "spool/"), std::string::npos) << one.out;
    EXPECT_EQ(ask({"status", id, "--json"}).exit_status, cli::kFailed);
  }
  for (const char* command : {"watch", "logs"}) {
    const Said one = ask({command, "1"});
    EXPECT_EQ(one.exit_status, cli::kFailed) << command;
    EXPECT_NE((one.out + one.err).find("unreadable: '"), std::string::npos) << command << one.out << one.err;
  }
  EXPECT_EQ(ask({"status"}).exit_status, cli::kOk);
}

// What a runner does between the claim and the making of the work directory, halted there.
TEST_F(Spool, LogsSleepUntilTheWorkDirectoryOfAClaimedJobIsMade) {
  ask({"submit", temporary / "lab"});
  std::filesystem::create_directory(temporary / "spool/work/other");
  std::filesystem::create_directory(temporary / "spool/run/other");
  const std::filesystem::path waiting = file_of("ready/default", "0000000001");
  const std::string name = waiting.filename().string();
  std::filesystem::rename(waiting, temporary / ("spool/run/other/" + name));
  Program follower(words({"logs", "1", "-f"}));
  const auto switches = [&] {
    std::istringstream status(read("/proc/" + std::to_string(follower.pid()) + "/status"));
    std::string line;
    while (std::getline(status, line) && !line.starts_with("voluntary_ctxt_switches:")) continue;
    return line;
  };
  ASSERT_TRUE(follower.sleeps());
  const std::string before = switches();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(switches(), before);
  const std::string work = temporary / "spool/work/other/1.0";
  std::filesystem::create_directory(work);
  write(work + "/output", "live\n");
  EXPECT_TRUE(follower.says("live\n"));
  write(work + "/output", "more\n");
  EXPECT_TRUE(follower.says("more\n"));
  // A daemon that stops gives it back without counting the attempt; the next one runs it.
  std::filesystem::create_directories(temporary / "spool/work/third/1.0");
  std::filesystem::create_directory(temporary / "spool/run/third");
  write(temporary / "spool/work/third/1.0/output", "again\n");
  std::filesystem::rename(temporary / ("spool/run/other/" + name), temporary / ("spool/run/third/" + name));
  EXPECT_TRUE(follower.says("again\n"));
}

TEST_F(Spool, LogsFollowTheOutputOfARunningJobToItsEnd) {
  ask({"submit", temporary / "lab"});
  Program follower(words({"logs", "1", "--follow"}));
  const queue::Claim claimed = claim();
  write(claimed.work_dir + "/output", "first\n");
  EXPECT_TRUE(follower.says("first\n"));
  write(claimed.work_dir + "/output", "second\n");
  EXPECT_TRUE(follower.says("second\n"));
  EXPECT_EQ(ask({"logs", "1"}).out, "first\nsecond\n");  // without --follow: so far
  write(claimed.work_dir + "/output", "last\n");
  commit(claimed, "output");
  const Said said = follower.end();
  EXPECT_EQ(said.out, "first\nsecond\nlast\n");
  EXPECT_EQ(said.exit_status, cli::kOk) << said.err;
  EXPECT_EQ(ask({"logs", "1"}).out, said.out);
  EXPECT_EQ(ask({"logs", "1", "--follow"}).out, said.out);
}

// A job that did not fit on a full disk comes again in a directory of the same name.
TEST_F(Spool, LogsFollowAnAttemptThatIsNotCountedAnew) {
  ask({"submit", temporary / "lab"});
  const std::filesystem::path waiting = file_of("ready/default", "0000000001");
  const std::filesystem::path running = temporary / "spool/run/other" / waiting.filename();
  const std::string work = temporary / "spool/work/other/1.0";
  std::filesystem::create_directories(work);
  std::filesystem::create_directory(running.parent_path());
  write(work + "/output", "one\n");
  std::filesystem::rename(waiting, running);
  Program follower(words({"logs", "1", "-f"}), MILONGA, Streams::merged);
  EXPECT_TRUE(follower.says("one\n"));
  std::filesystem::rename(running, waiting);
  EXPECT_TRUE(follower.says("milonga: the job is run again from its beginning\n"));
  std::filesystem::remove_all(work);
  std::filesystem::create_directory(work);
  write(work + "/output", "two\n");
  std::filesystem::rename(waiting, running);
  EXPECT_TRUE(follower.says("two\n"));
}

TEST_F(Spool, FeedbackThatIsNotTheLiveOutputIsPrintedWhole) {
  ask({"submit", temporary / "lab"});
  Program follower(words({"logs", "1", "-f"}));
  const queue::Claim claimed = claim();
  write(claimed.work_dir + "/output", "draft\n");
  EXPECT_TRUE(follower.says("draft\n"));
  write(claimed.work_dir + "/feedback", "final\n");
  commit(claimed, "feedback");
  EXPECT_EQ(follower.end().out, "draft\nfinal\n");
}

TEST_F(Spool, FeedbackThatOnlyPutsLinesBeforeTheLiveOutputIsNotPrintedAgain) {
  ask({"submit", temporary / "lab"});
  Program follower(words({"logs", "1", "-f"}));
  const queue::Claim claimed = claim();
  write(claimed.work_dir + "/output", "live\n");
  EXPECT_TRUE(follower.says("live\n"));
  write(claimed.work_dir + "/feedback", "header\nlive\n");
  commit(claimed, "feedback");
  EXPECT_EQ(follower.end().out, "live\n");
  EXPECT_EQ(ask({"logs", "1", "-f"}).out, "header\nlive\n");
}

TEST_F(Spool, WatchTellsEachStateAndExitsWithTheVerdict) {
  ask({"submit", temporary / "lab"});
  Program watcher(words({"watch", "1"}));
  EXPECT_TRUE(watcher.says("job 1: waiting, next\n"));
  const queue::Claim claimed = claim();
  EXPECT_TRUE(watcher.says("job 1: running\n"));
  EXPECT_EQ(ask({"cancel", "1", "--json"}).json().at("answer"), "cancelling");
  EXPECT_TRUE(watcher.says("job 1: running, being cancelled\n"));
  commit(claimed, "");
  const Said said = watcher.end();
  EXPECT_EQ(said.exit_status, cli::kLimit);
  EXPECT_NE(said.out.find("job 1: cpu_limit after 1.50 s by cgroup v1 cpuacct.usage, cpu 1.25 s, peak"),
            std::string::npos)
      << said.out;
}

TEST_F(Spool, WatchWithoutIdTellsOfEachJobUntilTheQueueIsEmptyButNotOfOldOnes) {
  ask({"submit", temporary / "lab"});
  ask({"submit", temporary / "lab"});
  ask({"submit", temporary / "lab"});
  ask({"cancel", "2"});  // done before it is asked
  Program watcher(words({"watch"}));
  EXPECT_TRUE(watcher.says("2 waiting, 0 running, 1 done\n"));
  const queue::Claim first = claim();
  EXPECT_TRUE(watcher.says("1 waiting, 1 running, 1 done\n"));
  ask({"submit", temporary / "lab"});  // comes and goes while the first one is followed
  ask({"cancel", "4"});
  commit(first, "");
  EXPECT_TRUE(watcher.says("job 1: cpu_limit after 1.50 s"));
  commit(claim(), "");
  const Said said = watcher.end();
  EXPECT_EQ(said.exit_status, cli::kOk) << said.err;
  EXPECT_EQ(said.out.find("job 2:"), std::string::npos) << said.out;
  const std::size_t third = said.out.find("job 3: cpu_limit"), fourth = said.out.find("job 4: cancelled");
  EXPECT_LT(third, fourth) << said.out;
  EXPECT_NE(fourth, std::string::npos) << said.out;
  EXPECT_TRUE(said.out.ends_with("no job waits or runs\n")) << said.out;
}

TEST_F(Spool, WatchWithoutIdSaysAtOnceThatNothingIsToBeWatched) {
  ask({"submit", temporary / "lab"});
  ask({"cancel", "1"});
  EXPECT_EQ(ask({"watch"}).out, "no job waits or runs\n");
  const Said said = ask({"watch", "--json"});
  EXPECT_EQ(said.out, "");
  EXPECT_EQ(said.exit_status, cli::kOk);
}

TEST_F(Spool, WatchWithoutIdIsJsonLinesForPrograms) {
  ask({"submit", temporary / "lab"});
  Program watcher(words({"watch", "--json"}));
  EXPECT_TRUE(watcher.says("\"waiting\""));
  ask({"submit", temporary / "lab"});
  ask({"cancel", "2"});
  commit(claim(), "");
  const Said said = watcher.end();
  EXPECT_EQ(said.exit_status, cli::kOk) << said.err;
  std::vector<std::string> ends;
  std::istringstream lines(said.out);
  for (std::string line; std::getline(lines, line);) {
    const auto job = boost::json::parse(line);
    if (job.at("state") == "done") ends.push_back(boost::json::serialize(job.at("id")));
  }
  EXPECT_EQ(ends, (std::vector<std::string>{"1", "2"})) << said.out;
}

TEST_F(Spool, WatchIsJsonLinesForPrograms) {
  ask({"submit", temporary / "lab"});
  Program watcher(words({"watch", "1", "--json"}));
  EXPECT_TRUE(watcher.says("\"waiting\""));
  commit(claim(), "");
  const Said said = watcher.end();
  const std::string last = said.out.substr(said.out.rfind('\n', said.out.size() - 2) + 1);
  const auto job = boost::json::parse(last);
  EXPECT_EQ(job.at("state"), "done");
  EXPECT_EQ(job.at("verdict"), "cpu_limit");
  EXPECT_EQ(job.at("report").at("cpu_s"), 1.25);
}

TEST_F(Spool, SubmitWithWaitPrintsTheFeedbackAndExitsAsTheJob) {
  Program submitter(words({"submit", temporary / "lab", "--wait"}));
  const queue::Claim claimed = claim();
  write(claimed.work_dir + "/output", "{\"scores\": {\"a\": 1}}\n");
  commit(claimed, "output");
  const Said said = submitter.end();
  EXPECT_EQ(said.exit_status, cli::kLimit);
  EXPECT_EQ(said.out, "{\"scores\": {\"a\": 1}}\n");
  EXPECT_NE(said.err.find("milonga: job 1: cpu_limit after 1.50 s"), std::string::npos) << said.err;
}

TEST_F(Spool, NamesOfStrangersDoNotReachTheTerminalAsControlCharacters) {
  ask({"submit", temporary / "lab", "--name",
       "x\xc2\x9b"
       "2J"});
  EXPECT_EQ(ask({"list"}).out.find('\xc2'), std::string::npos);
}

}  // namespace
}  // namespace milonga::test
