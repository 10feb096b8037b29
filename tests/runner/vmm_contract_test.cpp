// What every driver must do, with real jobs. Instantiated from the drivers' own list.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "autodriver/report_view.h"
#include "queue/spool.h"
#include "runner/vmm/drivers.h"
#include "runner/vmm/local.h"

namespace milonga::runner {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

class VmmContract : public ::testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: boxes need root, or the installed setuid core";
    char pattern[] = "/var/tmp/milonga-vmm-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    loop_ = std::move(*EventLoop::create());
    queue::SpoolOptions options;
    options.path = dir_ / "spool";
    options.create = options.allow_volatile = true;
    queue_ = std::move(*queue::open_spool(std::move(options)));
    ASSERT_TRUE(queue_->become_runner(true, [](const queue::Job&, int, const std::string&) {}));
    vmm_ = drivers()[GetParam()].make(*loop_, *queue_, {AUTODRIVER, std::chrono::seconds(30)});
  }
  void TearDown() override {
    vmm_.reset();
    queue_.reset();
    if (!dir_.empty()) fs::remove_all(dir_);
  }

  queue::Claim claim(const std::string& makefile, std::map<std::string, std::string> options = {}) {
    const fs::path lab = dir_ / "lab";
    fs::create_directories(lab / "sub");
    std::ofstream(lab / "Makefile") << makefile;
    std::ofstream(lab / "sub/data") << "data of the lab\n";
    queue::Job job;
    job.name = "t";
    job.directory = "lab";
    job.options = std::move(options);
    EXPECT_TRUE(queue_->submit(job, lab));
    EXPECT_TRUE(queue_->take_changes());
    auto taken = queue_->claim();
    if (!taken || !*taken)
      throw std::runtime_error(taken ? "the job was not offered; see bad/" : taken.error().line());
    return std::move(**taken);
  }
  // Runs the loop until the verb has answered.
  template <class T>
  Result<T> wait(const std::function<void(Done<T>)>& verb) {
    std::optional<Result<T>> answer;
    verb([&](Result<T> r) {
      answer.emplace(std::move(r));
      loop_->stop();
    });
    EXPECT_FALSE(answer) << "a verb answers from the loop, never from inside the call";
    const auto late = loop_->after(milliseconds(60'000), [&] { loop_->stop(); });
    EXPECT_TRUE(loop_->run());
    loop_->cancel(late);
    return answer ? std::move(*answer) : Result<T>(fail("the verb never answered"));
  }
  std::shared_ptr<Vm> ready_vm() {
    auto vm = wait<std::shared_ptr<Vm>>(
        [&](auto done) { vmm_->initialize("default", milliseconds(30'000), done); });
    EXPECT_TRUE(vm);
    EXPECT_TRUE(wait<void>([&](auto done) { vmm_->wait(*vm, milliseconds(30'000), done); }));
    return *vm;
  }
  Result<RunOutcome> run(const std::shared_ptr<Vm>& vm, const queue::Claim& c,
                         milliseconds deadline = milliseconds(30'000)) {
    return wait<RunOutcome>([&](auto done) { vmm_->run_job(vm, c, deadline, done); });
  }
  void copy_in(const std::shared_ptr<Vm>& vm, const queue::Claim& c) {
    const auto copied = wait<void>([&](auto done) { vmm_->copy_in(vm, c, milliseconds(30'000), done); });
    ASSERT_TRUE(copied) << copied.error().line();
  }
  void destroy(const std::shared_ptr<Vm>& vm) {
    EXPECT_TRUE(wait<void>([&](auto done) { vmm_->destroy(vm, milliseconds(30'000), done); }));
    EXPECT_FALSE(
        *wait<bool>([&](auto done) { vmm_->exists(vm->instance_name(), milliseconds(5'000), done); }));
  }
  static std::string read(const fs::path& path) {
    std::ifstream f(path);
    return {std::istreambuf_iterator<char>(f), {}};
  }

  fs::path dir_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<queue::Queue> queue_;
  std::unique_ptr<Vmm> vmm_;
};

TEST_P(VmmContract, AJobWalksThroughAllVerbs) {
  const auto c = claim("all:\n\t@cat sub/data\n\t@pwd\n");
  const auto vm = ready_vm();
  EXPECT_THAT(*wait<std::vector<std::string>>([&](auto done) { vmm_->list(milliseconds(5'000), done); }),
              ::testing::Contains(vm->instance_name()));
  copy_in(vm, c);
  const auto outcome = run(vm, c);
  ASSERT_TRUE(outcome) << outcome.error().line();
  EXPECT_EQ(parse_report(outcome->report_json)->verdict, Verdict::ok);
  ASSERT_TRUE(wait<void>([&](auto done) { vmm_->copy_out(vm, c, milliseconds(30'000), done); }));
  EXPECT_EQ(read(fs::path(c.work_dir) / "output"), "data of the lab\n/home/autograde/lab\n");
  destroy(vm);
}

TEST_P(VmmContract, TheJobsOwnLimitsBindIt) {
  const auto c = claim("all:\n\tsleep 60\n", {{"wall-time", "0.5"}});
  const auto vm = ready_vm();
  copy_in(vm, c);
  const auto outcome = run(vm, c);
  ASSERT_TRUE(outcome) << outcome.error().line();
  EXPECT_EQ(parse_report(outcome->report_json)->verdict, Verdict::wall_limit);
  EXPECT_EQ(outcome->autodriver_status, 2);
  destroy(vm);
}

TEST_P(VmmContract, CancelEndsARunAndSaysSo) {
  const auto c = claim("all:\n\tsleep 60\n");
  const auto vm = ready_vm();
  copy_in(vm, c);
  loop_->after(milliseconds(200), [&] { vmm_->cancel(vm); });
  const auto outcome = run(vm, c);
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().line(), HasSubstr("cancelled"));
  destroy(vm);
}

TEST_P(VmmContract, ADeadlineEndsARunAndSaysSo) {
  const auto c = claim("all:\n\tsleep 60\n");
  const auto vm = ready_vm();
  copy_in(vm, c);
  const auto outcome = run(vm, c, milliseconds(300));
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().line(), HasSubstr("deadline"));
  destroy(vm);
}

TEST_P(VmmContract, OutputIsSeenWhileTheJobRuns) {
  const auto c = claim("all:\n\t@echo early; sleep 60\n");
  const auto vm = ready_vm();
  copy_in(vm, c);
  std::string seen;
  std::function<void()> look = [&] {
    vmm_->partial_output(vm, 0, 100, milliseconds(5'000), [&](Result<std::string> text) {
      seen = text ? *text : "";
      if (seen.empty())
        loop_->after(milliseconds(20), look);
      else
        vmm_->cancel(vm);
    });
  };
  loop_->after(milliseconds(20), look);
  EXPECT_FALSE(run(vm, c));
  EXPECT_EQ(seen, "early\n");
  destroy(vm);
}

TEST_P(VmmContract, AnOptionOutOfRangeIsARefusalThatNamesItAndNoFaultOfOurs) {
  const auto c = claim("all:\n", {{"memory", "lots"}});
  const auto vm = ready_vm();
  copy_in(vm, c);
  const auto outcome = run(vm, c);
  ASSERT_TRUE(outcome) << outcome.error().line();
  const auto report = parse_report(outcome->report_json);
  ASSERT_TRUE(report) << report.error().line();
  EXPECT_EQ(report->verdict, Verdict::refused);
  EXPECT_THAT(report->error, HasSubstr("--memory"));
  EXPECT_TRUE(wait<void>([&](auto done) { vmm_->copy_out(vm, c, milliseconds(30'000), done); }));
  destroy(vm);
}

TEST_P(VmmContract, ImagesHasTheDefault) {
  EXPECT_THAT(*wait<std::vector<std::string>>([&](auto done) { vmm_->images(milliseconds(5'000), done); }),
              ::testing::Contains("default"));
}

std::vector<std::size_t> all_drivers() {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < drivers().size(); ++i) all.push_back(i);
  return all;
}
static std::string driver_name(const ::testing::TestParamInfo<std::size_t>& tested) {
  return drivers()[tested.param].name;
}
INSTANTIATE_TEST_SUITE_P(Drivers, VmmContract, ::testing::ValuesIn(all_drivers()), driver_name);

}  // namespace
}  // namespace milonga::runner
