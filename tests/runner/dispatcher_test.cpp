// Faults at each verb of a driver: every job ends once, with the right ending,
// and the VM is always destroyed. The queue is the real spool; the driver is
// scripted, since a real one cannot be made to fail at will in each verb.
#include "runner/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "queue/spool.h"

namespace milonga::runner {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

enum class Act { work, fail, hang, refuse, babble, no_room, fill };

struct ScriptedVm : Vm {
  [[nodiscard]] std::string instance_name() const override { return "scripted-1-default"; }
};

// Does `act` at the stage `at` in the first `times` attempts, and works otherwise. Hanging ends by cancel()
// or the deadline.
class ScriptedVmm : public Vmm {
 public:
  ScriptedVmm(EventLoop& loop, Stage at, Act act, int times)
      : loop_(loop), at_(at), act_(act), times_(times) {}

  void initialize(const std::string&, Deadline d, Done<std::shared_ptr<Vm>> done) override {
    ++made;
    play<std::shared_ptr<Vm>>(Stage::initialize, d, std::make_shared<ScriptedVm>(), std::move(done));
  }
  void wait(std::shared_ptr<Vm>, Deadline d, Done<void> done) override {
    play(Stage::wait, d, std::move(done));
  }
  void copy_in(std::shared_ptr<Vm>, const queue::Claim&, Deadline d, Done<void> done) override {
    play(Stage::copy_in, d, std::move(done));
  }
  void run_job(std::shared_ptr<Vm>, const queue::Claim& claim, Deadline d, Done<RunOutcome> done) override {
    ++runs;
    std::ofstream(claim.work_dir + "/output") << "score\n";
    // Writing the feedback then finds no room.
    if (act_ == Act::fill) fs::create_symlink("/dev/full", claim.work_dir + "/feedback");
    const char* verdict = act_ == Act::refuse ? "refused" : "ok";
    RunOutcome outcome;
    std::ifstream sample(MILONGA_SAMPLE_REPORT);
    outcome.report_json = std::string{std::istreambuf_iterator<char>(sample), {}};
    const auto mark = outcome.report_json.find("@VERDICT@");
    outcome.report_json.replace(mark, 9, verdict);
    if (act_ == Act::babble && times_-- > 0) outcome.report_json = "{\"verdict\": 7";
    play<RunOutcome>(Stage::run, d, outcome, std::move(done));
  }
  void copy_out(std::shared_ptr<Vm>, const queue::Claim&, Deadline d, Done<void> done) override {
    play(Stage::copy_out, d, std::move(done));
  }
  void destroy(std::shared_ptr<Vm>, Deadline d, Done<void> done) override {
    ++destroyed;
    play(Stage::destroy, d, std::move(done));
  }
  void cancel(const std::shared_ptr<Vm>&) override {
    if (auto hanging = std::exchange(hanging_, nullptr)) hanging("cancelled");
  }
  void list(Deadline, Done<std::vector<std::string>> done) override { done(std::vector<std::string>{}); }
  void exists(const std::string&, Deadline, Done<bool> done) override { done(false); }
  void images(Deadline, Done<std::vector<std::string>> done) override {
    done(std::vector<std::string>{"default"});
  }
  void partial_output(std::shared_ptr<Vm>, std::uint64_t, std::size_t, Deadline,
                      Done<std::string> done) override {
    done("");
  }

  int made = 0, destroyed = 0, runs = 0;

 private:
  template <class T>
  void play(Stage stage, Deadline deadline, T good, Done<T> done) {
    if (stage != at_ || times_ <= 0 || act_ == Act::work || act_ == Act::refuse || act_ == Act::babble ||
        act_ == Act::fill)
      return loop_.post([good, done = std::move(done)] { done(good); });
    --times_;
    if (act_ == Act::fail)
      return loop_.post([done = std::move(done)] { done(milonga::fail("the platform says no")); });
    if (act_ == Act::no_room)
      return loop_.post([done = std::move(done)] {
        done(Unexpected(Error{"the disk is full", {}, ENOSPC}));
      });
    hanging_ = [done](const std::string& why) { done(milonga::fail(why)); };
    loop_.after(deadline, [this] {
      if (auto h = std::exchange(hanging_, nullptr)) h("deadline passed");
    });
  }
  void play(Stage stage, Deadline deadline, Done<void> done) {
    play<int>(stage, deadline, 0, [done = std::move(done)](Result<int> r) {
      done(r ? Result<void>{} : Result<void>(Unexpected(r.error())));
    });
  }

  EventLoop& loop_;
  Stage at_;
  Act act_;
  int times_;
  std::function<void(const std::string&)> hanging_;
};

class DispatcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/var/tmp/milonga-dispatch-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    fs::create_directory(dir_ / "lab");
    std::ofstream(dir_ / "lab/Makefile") << "all:\n";
    loop_ = std::move(*EventLoop::create());
    queue::SpoolOptions options;
    options.path = dir_ / "spool";
    options.create = options.allow_volatile = true;
    queue_ = std::move(*queue::open_spool(std::move(options)));
    queue::Job job;
    job.name = "t";
    job.directory = "lab";
    id_ = *queue_->submit(job, dir_ / "lab");
    ASSERT_TRUE(queue_->become_runner(true, [](const queue::Job&, int, const std::string&) {}));
  }
  void TearDown() override {
    queue_.reset();
    fs::remove_all(dir_);
  }

  // Runs the job to its end, at most ten seconds; `during` is called once the dispatcher is at work.
  queue::ResultRecord run(ScriptedVmm& vmm, const std::function<void(Dispatcher&)>& during = {}) {
    DispatchOptions options;
    options.stage_deadline = options.copy_deadline = options.run_margin = milliseconds(50);
    options.default_wall = std::chrono::seconds(0);
    options.first_retry = options.full_disk_pause = milliseconds(5);
    Dispatcher dispatcher(*loop_, *queue_, vmm, options, [&](const Error& e) {
      ADD_FAILURE() << e.line();
      loop_->stop();
    });
    queue::ResultRecord result;
    const auto look = [&] {
      dispatcher.on_news();
      const auto status = queue_->find(id_);
      if (status && *status && (*status)->result && dispatcher.running() == 0) {
        result = *(*status)->result;
        loop_->stop();
      }
    };
    std::function<void()> again = [&] {
      look();
      loop_->after(milliseconds(5), again);
    };
    loop_->after(milliseconds(10'000), [&] {
      ADD_FAILURE() << "the job never ended";
      loop_->stop();
    });
    loop_->post([&] {
      again();
      if (during) loop_->after(milliseconds(10), [&] { during(dispatcher); });
    });
    EXPECT_TRUE(loop_->run());
    return result;
  }

  fs::path dir_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<queue::Queue> queue_;
  queue::JobId id_ = 0;
};

constexpr Stage kVerbs[] = {Stage::initialize, Stage::wait, Stage::copy_in, Stage::run, Stage::copy_out};

TEST_F(DispatcherTest, AWorkingDriverGivesOneResultWithTangosHeader) {
  ScriptedVmm vmm(*loop_, Stage::ended, Act::work, 0);
  const auto result = run(vmm);
  EXPECT_EQ(result.outcome, queue::Outcome::graded);
  EXPECT_EQ(result.reason, "Success: Autodriver returned normally");
  std::ifstream f(result.feedback_path);
  const std::string text{std::istreambuf_iterator<char>(f), {}};
  EXPECT_THAT(text, ::testing::StartsWith("Autograder ["));
  EXPECT_THAT(text, HasSubstr("]: Received job t:1\n"));
  EXPECT_THAT(text, HasSubstr("---\nAutodriver: Job exited with status 0\nscore\n"));
  EXPECT_EQ(vmm.destroyed, 1);
}

TEST_F(DispatcherTest, AFaultInAnyVerbIsTriedAgainAndThenGraded) {
  for (const Stage stage : kVerbs) {
    SCOPED_TRACE(stage_name(stage));
    ScriptedVmm vmm(*loop_, stage, Act::fail, 1);
    const auto result = run(vmm);
    EXPECT_EQ(result.outcome, queue::Outcome::graded);
    EXPECT_EQ(result.attempt, 2);
    EXPECT_EQ(vmm.destroyed, stage == Stage::initialize ? 1 : 2);
    TearDown();
    SetUp();
  }
}

TEST_F(DispatcherTest, AFaultThatStaysEndsAfterThreeAttemptsWithItsReason) {
  for (const Stage stage : kVerbs) {
    SCOPED_TRACE(stage_name(stage));
    ScriptedVmm vmm(*loop_, stage, Act::fail, 99);
    const auto result = run(vmm);
    EXPECT_EQ(result.outcome, queue::Outcome::gave_up);
    EXPECT_EQ(result.attempt, 3);
    EXPECT_THAT(result.reason, HasSubstr(std::string(stage_name(stage)) + ": the platform says no"));
    EXPECT_EQ(vmm.made, 3);
    TearDown();
    SetUp();
  }
}

TEST_F(DispatcherTest, AVerbThatHangsEndsByItsDeadline) {
  for (const Stage stage : kVerbs) {
    SCOPED_TRACE(stage_name(stage));
    ScriptedVmm vmm(*loop_, stage, Act::hang, 99);
    const auto result = run(vmm);
    EXPECT_EQ(result.outcome, queue::Outcome::gave_up);
    EXPECT_THAT(result.reason, HasSubstr("deadline"));
    TearDown();
    SetUp();
  }
}

TEST_F(DispatcherTest, CancelInAnyVerbEndsTheJobAsCancelled) {
  for (const Stage stage : {Stage::wait, Stage::copy_in, Stage::run, Stage::copy_out}) {
    SCOPED_TRACE(stage_name(stage));
    ScriptedVmm vmm(*loop_, stage, Act::hang, 99);
    const auto result = run(
        vmm, [&](Dispatcher&) { EXPECT_EQ(*queue_->cancel(id_, "uid:0"), queue::CancelAnswer::cancelling); });
    EXPECT_EQ(result.outcome, queue::Outcome::cancelled);
    EXPECT_EQ(vmm.destroyed, 1);
    std::ifstream f(result.feedback_path);
    const std::string text{std::istreambuf_iterator<char>(f), {}};
    EXPECT_THAT(text, HasSubstr("]: Error: cancelled while running\n"));
    EXPECT_EQ(text.ends_with("---\nscore\n"), stage == Stage::run || stage == Stage::copy_out) << text;
    TearDown();
    SetUp();
  }
}

TEST_F(DispatcherTest, ARefusedRunIsAResultAndIsNotTriedAgain) {
  ScriptedVmm vmm(*loop_, Stage::ended, Act::refuse, 0);
  const auto result = run(vmm);
  EXPECT_EQ(result.outcome, queue::Outcome::graded);
  EXPECT_EQ(result.attempt, 1);
  EXPECT_THAT(result.reason, HasSubstr("Error: "));
  EXPECT_EQ(vmm.runs, 1);
}

TEST_F(DispatcherTest, AFullDiskIsWaitedForHoweverLongAndNotHeldAgainstTheJob) {
  for (const Stage stage : kVerbs) {
    SCOPED_TRACE(stage_name(stage));
    ScriptedVmm vmm(*loop_, stage, Act::no_room, 5);
    const auto result = run(vmm);
    EXPECT_EQ(result.outcome, queue::Outcome::graded);
    EXPECT_EQ(result.attempt, 1);
    EXPECT_EQ(vmm.made, 6);
    TearDown();
    SetUp();
  }
}

TEST_F(DispatcherTest, AResultWithoutRoomWaitsButDoesNotKeepTheDaemonFromStopping) {
  ScriptedVmm vmm(*loop_, Stage::ended, Act::fill, 0);
  DispatchOptions options;
  options.full_disk_pause = milliseconds(20);
  Dispatcher dispatcher(*loop_, *queue_, vmm, options, [](const Error& e) { ADD_FAILURE() << e.line(); });
  bool drained = false;
  loop_->post([&] { dispatcher.on_news(); });
  loop_->after(milliseconds(200), [&] {
    EXPECT_EQ(dispatcher.running(), 1u) << "it waits";
    dispatcher.stop(milliseconds(0), [&] {
      drained = true;
      loop_->stop();
    });
  });
  loop_->after(milliseconds(10'000), [&] { loop_->stop(); });
  ASSERT_TRUE(loop_->run());
  EXPECT_TRUE(drained);
  EXPECT_EQ((*queue_->find(id_))->state, queue::State::running);  // recovery offers it again
}

TEST_F(DispatcherTest, AReportThatIsNoneCostsAnAttemptAndNotTheDaemon) {
  for (const int times : {1, 99}) {
    ScriptedVmm vmm(*loop_, Stage::ended, Act::babble, times);
    const auto result = run(vmm);
    EXPECT_EQ(result.outcome, times == 1 ? queue::Outcome::graded : queue::Outcome::gave_up);
    EXPECT_EQ(result.attempt, times == 1 ? 2 : 3);
    if (times != 1) {
      EXPECT_THAT(result.reason, HasSubstr("run: the driver's report is none"));
    }
    EXPECT_EQ(vmm.destroyed, result.attempt);
    TearDown();
    SetUp();
  }
}

TEST_F(DispatcherTest, AStoppingDaemonGivesTheJobBackWithoutCountingTheAttempt) {
  ScriptedVmm vmm(*loop_, Stage::run, Act::hang, 1);
  DispatchOptions options;
  Dispatcher dispatcher(*loop_, *queue_, vmm, options, [](const Error& e) { ADD_FAILURE() << e.line(); });
  loop_->post([&] {
    dispatcher.on_news();
    loop_->after(milliseconds(20), [&] { dispatcher.stop(milliseconds(0), [&] { loop_->stop(); }); });
  });
  ASSERT_TRUE(loop_->run());
  const auto status = *queue_->find(id_);
  EXPECT_EQ(status->state, queue::State::waiting);
  EXPECT_EQ(status->attempt, 0);
  EXPECT_EQ(vmm.destroyed, 1);
}

}  // namespace
}  // namespace milonga::runner
