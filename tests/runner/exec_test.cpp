// The driver exec, with drivers that are made for the test: what verbs are told, how their ends are taken,
// and that nothing of them is left, whatever they do.
#include "runner/vmm/exec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "autodriver/report_view.h"
#include "queue/spool.h"

namespace milonga::runner {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

class ExecDriver : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/var/tmp/milonga-exec-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    marker_ = dir_.filename().string();
    fs::create_directories(dir_ / "driver");
    fs::create_directories(dir_ / "lab");
    std::ofstream(dir_ / "lab/Makefile") << "all:\n";
    for (const char* name : {"initialize", "copy-in", "run", "destroy", "list"}) verb(name, "exit 0");
    loop_ = std::move(*EventLoop::create());
    queue::SpoolOptions options;
    options.path = dir_ / "spool";
    options.create = options.allow_volatile = true;
    queue_ = std::move(*queue::open_spool(std::move(options)));
    ASSERT_TRUE(queue_->become_runner(true, [](const queue::Job&, int, const std::string&) {}));
  }
  void TearDown() override {
    vmm_.reset();
    queue_.reset();
    EXPECT_EQ(alive(SIGKILL), 0) << "processes of verbs were left";
    fs::remove_all(dir_);
  }
  void verb(const std::string& name, const std::string& script) const {
    const fs::path path = dir_ / "driver" / name;
    std::ofstream(path) << "#!/bin/sh\nD=" << dir_.string() << "\n" << script << "\n";
    fs::permissions(path, fs::perms::owner_all);
  }
  void make() {
    ExecOptions options;
    options.exec = {dir_ / "driver", {"COLOUR=blue 'n gold"}};
    options.owner = "0123456789";
    auto made = make_exec_vmm(*loop_, *queue_, options);
    ASSERT_TRUE(made) << made.error().line();
    vmm_ = std::move(*made);
  }
  queue::Claim claim(std::map<std::string, std::string> options = {}, std::vector<std::string> command = {}) {
    queue::Job job;
    job.name = "t";
    job.directory = "lab";
    job.options = std::move(options);
    job.command = std::move(command);
    EXPECT_TRUE(queue_->submit(job, dir_ / "lab"));
    EXPECT_TRUE(queue_->take_changes());
    return std::move(**queue_->claim());
  }
  template <class T>
  Result<T> wait(const std::function<void(Done<T>)>& call) {
    std::optional<Result<T>> answer;
    call([&](Result<T> r) {
      answer.emplace(std::move(r));
      loop_->stop();
    });
    const auto late = loop_->after(milliseconds(30'000), [&] { loop_->stop(); });
    EXPECT_TRUE(loop_->run());
    loop_->cancel(late);
    return answer ? std::move(*answer) : Result<T>(fail("the verb never answered"));
  }
  Result<std::shared_ptr<Vm>> initialize(milliseconds deadline = milliseconds(20'000),
                                         const std::string& image = "default") {
    return wait<std::shared_ptr<Vm>>([&](auto done) { vmm_->initialize(image, deadline, done); });
  }
  Result<RunOutcome> run(const queue::Claim& c, milliseconds deadline = milliseconds(20'000)) {
    const auto vm = initialize();
    if (!vm) return Unexpected(vm.error());
    return wait<RunOutcome>([&](auto done) { vmm_->run_job(*vm, c, deadline, done); });
  }
  // Processes that have the test's directory in their command line, but for ourselves.
  [[nodiscard]] int alive(int signal = 0) const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cmdline");
      const std::string line{std::istreambuf_iterator<char>(file), {}};
      if (line.find(marker_) == std::string::npos) continue;
      ++count;
      (void)::kill(std::stoi(entry.path().filename()), signal);
    }
    return count;
  }
  [[nodiscard]] std::string written(const std::string& name) const {
    std::ifstream file(dir_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path dir_;
  std::string marker_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<queue::Queue> queue_;
  std::unique_ptr<Vmm> vmm_;
};

TEST_F(ExecDriver, AVerbIsToldWhatThePageSaysAndNothingElse) {
  ::setenv("MILONGA_TEST_SECRET", "secret", 1);
  verb("run",
       "env >$D/env; cat >$D/stdin; eval \"set -- $MILONGA_OPTIONS -- $MILONGA_COMMAND\"; for i; do echo "
       "\"<$i>\"; done >$D/words");
  make();
  const auto c = claim({{"memory", "64M"}}, {"sh", "-c", "echo 'it''s' \"$x\" ; `no`"});
  (void)run(c, milliseconds(9'900));
  const std::string env = written("env");
  for (const std::string& line :
       {std::string("MILONGA_PROTOCOL=1\n"), std::string("MILONGA_VERB=run\n"),
        std::string("MILONGA_PREFIX=milonga-01234567-\n"), std::string("MILONGA_DEADLINE=9\n"),
        std::string("MILONGA_IMAGE=default\n"), std::string("MILONGA_JOB=1\n"),
        std::string("MILONGA_DIRECTORY=lab\n"), "MILONGA_WORK=" + c.work_dir + "\n",
        "MILONGA_INPUT=" + c.work_dir + "/input/lab\n", "MILONGA_OUTPUT=" + c.work_dir + "/output\n",
        "MILONGA_REPORT=" + c.work_dir + "/report.json\n", std::string("COLOUR=blue 'n gold\n"),
        std::string("LANG=C.UTF-8\n"), std::string("MILONGA_INSTANCE=milonga-01234567-")})
    EXPECT_THAT(env, HasSubstr(line));
  EXPECT_EQ(env.find("secret"), std::string::npos);
  EXPECT_THAT(written("words"), HasSubstr("<--memory=64M>\n"));
  EXPECT_THAT(written("words"),
              ::testing::EndsWith("<-->\n<--command>\n<-->\n<sh>\n<-c>\n<echo 'it''s' \"$x\" ; `no`>\n"));
  const auto told = boost::json::parse(written("stdin")).as_object();
  EXPECT_EQ(told.at("verb"), "run");
  EXPECT_EQ(told.at("job"), "1");
  EXPECT_EQ(told.at("command").as_array().back(), "echo 'it''s' \"$x\" ; `no`");
  ::unsetenv("MILONGA_TEST_SECRET");
}

TEST_F(ExecDriver, TheEndOfAVerbIsTakenAsThePageSays) {
  make();
  verb("initialize", "echo first >&2; echo no more of them >&2; exit 69");
  auto vm = initialize();
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().code, EHOSTDOWN);
  EXPECT_EQ(vm.error().line(), "the driver's initialize ended with 69: first;no more of them");
  verb("initialize", "kill -9 $$");
  EXPECT_THAT(initialize().error().line(), HasSubstr("the driver's initialize ended with 137"));
  EXPECT_EQ(initialize().error().code, 0);
  verb("initialize", "exit 0");
  const auto c = claim();
  verb("run", "exit 7");
  EXPECT_THAT(run(c).error().line(), HasSubstr("the driver's run ended with 7"));
  verb("run", "exit 0");
  EXPECT_THAT(run(c).error().line(), HasSubstr("left no report"));
  verb("run", "echo '{\"half\": ' >$MILONGA_REPORT");
  EXPECT_FALSE(run(c)) << "garbage is no report";
  verb("run", "echo no such option: --x >&2; exit 1");
  const auto refused = run(c);
  ASSERT_TRUE(refused) << refused.error().line();
  EXPECT_EQ(parse_report(refused->report_json)->verdict, Verdict::refused);
  EXPECT_THAT(parse_report(refused->report_json)->error, HasSubstr("no such option: --x"));
}

TEST_F(ExecDriver, WhatCannotBeStartedIsAFailureAndNoDriverIsOneLine) {
  make();
  std::ofstream(dir_ / "driver/initialize") << "#!/no/such/shell\n";
  EXPECT_THAT(initialize().error().line(),
              HasSubstr("cannot start '" + (dir_ / "driver/initialize").string() + "'"));
  fs::remove(dir_ / "driver/run");
  ExecOptions options;
  options.exec.directory = dir_ / "driver";
  EXPECT_THAT(make_exec_vmm(*loop_, *queue_, options).error().line(), HasSubstr("driver/run': No such file"));
  options.exec.directory = "";
  EXPECT_THAT(make_exec_vmm(*loop_, *queue_, options).error().line(), HasSubstr("--exec-directory"));
}

// A tree of processes that do all to survive: deaf, in sessions of their own, without their parents.
constexpr const char* kTree =
    "trap '' TERM HUP\n(setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' $D & )\n"
    "setsid sh -c '(trap \"\" TERM; exec sleep 1000 $D) & ' $D 2>/dev/null\nsh -c 'while :; do sleep 1; "
    "done' $D &\n";

TEST_F(ExecDriver, WhatAVerbLeavesRunningIsKilledWhenItEnds) {
  verb("initialize", std::string(kTree) + "exit 0");
  make();
  EXPECT_TRUE(initialize());
  EXPECT_EQ(alive(), 0);
}

TEST_F(ExecDriver, ADeafVerbIsKilledWithItsWholeTreePastItsDeadline) {
  make();
  verb("initialize", std::string(kTree) + "while :; do sleep 1; done");
  const auto began = std::chrono::steady_clock::now();
  const auto vm = initialize(milliseconds(300));
  const auto took = std::chrono::steady_clock::now() - began;
  ASSERT_FALSE(vm);
  EXPECT_THAT(vm.error().line(), ::testing::StartsWith("deadline"));
  EXPECT_GE(took, milliseconds(5'000)) << "it had no time to end in order";
  EXPECT_LT(took, milliseconds(9'000));
  EXPECT_EQ(alive(), 0);
}

TEST_F(ExecDriver, ACancelledVerbEndsInOrder) {
  make();
  verb("run", "trap 'echo ended in order >$D/order; exit 1' TERM; sleep 1000 & wait");
  const auto c = claim();
  const auto vm = *initialize();
  loop_->after(milliseconds(300), [&] { vmm_->cancel(vm); });
  const auto outcome = wait<RunOutcome>([&](auto done) { vmm_->run_job(vm, c, milliseconds(20'000), done); });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().line(), "cancelled");
  EXPECT_EQ(written("order"), "ended in order\n");
}

TEST_F(ExecDriver, AVerbThatNeverStopsTalkingIsStopped) {
  make();
  verb("images", "yes");
  const auto images =
      wait<std::vector<std::string>>([&](auto done) { vmm_->images(milliseconds(20'000), done); });
  ASSERT_FALSE(images);
  EXPECT_THAT(images.error().line(), HasSubstr("it wrote more than"));
  verb("initialize", "yes complaint | head -c 3000000 >&2; echo the last word >&2; exit 5");
  EXPECT_THAT(initialize().error().line(),
              ::testing::AllOf(HasSubstr("ended with 5"), ::testing::SizeIs(::testing::Lt(600u))));
}

TEST_F(ExecDriver, WhatADeadDaemonLeftIsDestroyedBeforeAnythingElse) {
  verb("list", "echo milonga-01234567-aa-default; echo milonga-89999999-bb-default; echo x");
  verb("destroy", "echo $MILONGA_INSTANCE >>$D/destroyed");
  verb("initialize", "cp $D/destroyed $D/before");
  make();
  ASSERT_TRUE(initialize());
  EXPECT_EQ(written("before"), "milonga-01234567-aa-default\n");
}

TEST_F(ExecDriver, AnInstanceThatCouldNotBeMadeIsDestroyed) {
  make();
  verb("initialize", "exit 5");
  verb("destroy", "echo $MILONGA_INSTANCE $MILONGA_IMAGE >>$D/destroyed");
  EXPECT_FALSE(initialize(milliseconds(20'000), "a b/../'c"));
  EXPECT_THAT(written("destroyed"),
              ::testing::MatchesRegex("milonga-01234567-[0-9a-f]*-a-b-----c a b/../'c\n"));
}

}  // namespace
}  // namespace milonga::runner
