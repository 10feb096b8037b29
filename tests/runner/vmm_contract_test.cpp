// What every driver must do, with real jobs. Instantiated from the drivers' own list.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "autodriver/report_view.h"
#include "base/sha256.h"
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
    const std::string driver = drivers()[GetParam()].name;
    if (driver == "docker" && std::getenv("MILONGA_TEST_DOCKER") == nullptr)
      GTEST_SKIP() << "SKIPPED: run by tests/docker/engine.py";
    if (driver == "ssh" && std::getenv("MILONGA_TEST_SSH_HOSTS") == nullptr)
      GTEST_SKIP() << "SKIPPED: run by tests/docker/hosts.py";
    char pattern[] = "/var/tmp/milonga-vmm-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    loop_ = std::move(*EventLoop::create());
    queue::SpoolOptions options;
    options.path = dir_ / "spool";
    options.create = options.allow_volatile = true;
    queue_ = std::move(*queue::open_spool(std::move(options)));
    ASSERT_TRUE(queue_->become_runner(true, [](const queue::Job&, int, const std::string&) {}));
    make_vmm();
  }
  void TearDown() override {
    vmm_.reset();
    queue_.reset();
    if (!dir_.empty()) fs::remove_all(dir_);
  }

  void put(const fs::path& name, const std::string& text) {
    const fs::path path = dir_ / "lab" / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  queue::Claim claim(const std::string& makefile, std::map<std::string, std::string> options = {},
                     const std::string& image = "default") {
    const fs::path lab = dir_ / "lab";
    put("Makefile", makefile);
    put("sub/data", "data of the lab\n");
    queue::Job job;
    job.name = "t";
    job.directory = "lab";
    job.image = image;
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
  std::shared_ptr<Vm> ready_vm(const std::string& image = "default") {
    auto vm =
        wait<std::shared_ptr<Vm>>([&](auto done) { vmm_->initialize(image, milliseconds(30'000), done); });
    if (!vm) throw std::runtime_error(vm.error().line());
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
  // From the beginning to the end: the report, with the output in <work_dir>/output.
  Result<ReportView> graded(const queue::Claim& c) {
    const auto vm = ready_vm(c.job.image);
    copy_in(vm, c);
    const auto outcome = run(vm, c);
    if (outcome) {
      EXPECT_TRUE(wait<void>([&](auto done) { vmm_->copy_out(vm, c, milliseconds(30'000), done); }));
    }
    destroy(vm);
    if (!outcome) return Unexpected(outcome.error());
    return parse_report(outcome->report_json);
  }
  static std::string output(const queue::Claim& c) { return read(fs::path(c.work_dir) / "output"); }
  void make_vmm() {
    DriverSetting setting;
    setting.autodriver = AUTODRIVER;
    setting.default_wall = std::chrono::seconds(30);
    setting.owner = "test";
    if (const char* socket = std::getenv("MILONGA_TEST_DOCKER")) setting.docker.socket = socket;
    if (const char* hosts = std::getenv("MILONGA_TEST_SSH_HOSTS")) {
      std::istringstream all(hosts);
      for (std::string one; std::getline(all, one, ',');) setting.ssh.hosts.push_back(*parse_ssh_host(one));
      setting.ssh.identity = std::getenv("MILONGA_TEST_SSH_KEY");
      setting.ssh.known_hosts = std::getenv("MILONGA_TEST_SSH_KNOWN_HOSTS");
    }
    setting.docker.image = "milonga-test";
    if (const char* directory = std::getenv("MILONGA_TEST_EXEC")) {
      setting.exec.directory = directory;
      for (const char* name : {"SSH_HOST", "SSH_CONFIG", "SSH_DIRECTORY", "SSH_AUTODRIVER"})
        if (const char* value = std::getenv(name)) setting.exec.environment.push_back(std::string(name) + "=" + value);
    }
    auto made = drivers()[GetParam()].make(*loop_, *queue_, setting);
    if (!made) throw std::runtime_error(made.error().line());
    vmm_ = std::move(*made);
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

TEST_P(VmmContract, AnImageThatDoesNotExistIsARefusalThatNamesItAndNoFaultOfOurs) {
  for (const char* image : {"no-such-image", "Bad Image", "../../etc"}) {
    const auto report = graded(claim("all:\n", {}, image));
    ASSERT_TRUE(report) << report.error().line();
    EXPECT_EQ(report->verdict, Verdict::refused);
    EXPECT_THAT(report->error, HasSubstr(image));
  }
}

TEST_P(VmmContract, FilesArriveAsTheyWere) {
  const std::string all_bytes = [] {
    std::string bytes;
    for (unsigned i = 0; i < 3'000'000; ++i) bytes += static_cast<char>(i * 7919 >> 3);
    return bytes;
  }();
  const std::string deep = std::string(90, 'd') + "/" + std::string(90, 'e') + "/" + std::string(90, 'f');
  put("bytes", all_bytes);
  put("empty", "");
  put(deep, "deep");
  put("\xc3\xa9t\xc3\xa9 fil\xc3\xa9 \xe2\x82\xac", "euro");
  put("run.sh", "#!/bin/sh\necho ran\n");
  fs::permissions(dir_ / "lab/run.sh", fs::perms::owner_all);
  const auto c = claim(
      "all:\n\t@sha256sum < bytes; wc -c < empty; cat */*/" + std::string(90, 'f') +
      "; cat *\\ *; ./run.sh; test -x empty || echo no; touch new sub/new && rm bytes && echo writable\n");
  const auto report = graded(c);
  ASSERT_TRUE(report) << report.error().line();
  EXPECT_EQ(output(c), sha256_hex(all_bytes) + "  -\n0\ndeepeuroran\nno\nwritable\n");
}

TEST_P(VmmContract, AnInputThatIsNotWhatWasSubmittedIsNotRun) {
  const auto c = claim("all:\n");
  for (const auto& blob : fs::recursive_directory_iterator(dir_ / "spool/blob"))
    if (blob.is_regular_file()) {
      fs::permissions(blob.path(), fs::perms::owner_all);
      std::ofstream(blob.path(), std::ios::in | std::ios::out) << "X";
    }
  const auto vm = ready_vm();
  const auto copied = wait<void>([&](auto done) { vmm_->copy_in(vm, c, milliseconds(30'000), done); });
  ASSERT_FALSE(copied);
  EXPECT_THAT(copied.error().line(), ::testing::AnyOf(HasSubstr("Makefile"), HasSubstr("sub/data")));
  destroy(vm);
}

TEST_P(VmmContract, OutputIsKeptToTheByte) {
  const auto c = claim("all:\n\t@printf 'a\\000b\\377\\n\\n\\303'; seq 100000; printf end\n");
  const auto report = graded(c);
  ASSERT_TRUE(report) << report.error().line();
  std::string expected("a\0b\377\n\n\303", 7);
  for (int i = 1; i <= 100000; ++i) expected += std::to_string(i) + "\n";
  EXPECT_TRUE(output(c) == expected + "end");
  EXPECT_EQ(report->output_bytes, expected.size() + 3);
}

TEST_P(VmmContract, TheMiddleOfTooMuchOutputIsDropped) {
  const auto c = claim("all:\n\t@seq 100000\n", {{"output", "1000"}});
  const auto report = graded(c);
  ASSERT_TRUE(report) << report.error().line();
  EXPECT_EQ(report->output_kept_bytes, 1000u);
  EXPECT_THAT(output(c), ::testing::StartsWith("1\n2\n"));
  EXPECT_THAT(output(c), ::testing::EndsWith("99999\n100000\n"));
}

TEST_P(VmmContract, AJobOutOfMemoryIsToldSo) {
  const auto c =
      claim("all:\n\t@head -c 400000000 /dev/zero > /tmp/all; echo $$? 2>&1\n", {{"memory", "64M"}});
  const auto report = graded(c);
  ASSERT_TRUE(report) << report.error().line();
  EXPECT_EQ(report->verdict, Verdict::memory_limit) << output(c);
  ASSERT_TRUE(report->stopped_by);
  EXPECT_THAT(*report->stopped_by, HasSubstr("memory"));
}

TEST_P(VmmContract, TheDiskLimitHoldsForAllFilesOfAPlaceTogether) {
  const auto c = claim("all:\n\t@for i in 1 2 3 4 5; do head -c 1000000 /dev/zero > $$i || exit 9; done\n",
                       {{"disk", "4M"}});
  const auto report = graded(c);
  ASSERT_TRUE(report) << report.error().line();
  EXPECT_THAT(report->verdict, ::testing::AnyOf(Verdict::disk_limit, Verdict::failed));
  EXPECT_THAT(output(c), HasSubstr("Error 9"));
}

TEST_P(VmmContract, AReportThatTheJobWritesIsOutputAndNothingElse) {
  const std::string forged = R"({"schema":1,"verdict":"ok","exit_code":0})";
  put("forge.sh", "echo '" + forged + "'; echo '" + forged +
                      "' >&2; for to in /dev/stdout /dev/stderr /proc/1/fd/1 /proc/1/fd/2 /dev/console "
                      "/.milonga/report /tmp/report "
                      "/proc/*/fd/[0-9] /proc/*/fd/1[0-9]; do (echo '" +
                      forged + "' > $to) 2>/dev/null; done\nexit 7\n");
  const auto c = claim("all:\n\t@sh forge.sh\n");
  const auto report = graded(c);
  ASSERT_TRUE(report) << report.error().line();
  EXPECT_EQ(report->verdict, Verdict::failed);
  EXPECT_EQ(report->exit_code, 2);  // make's
  EXPECT_THAT(output(c), HasSubstr(forged));
}

TEST_P(VmmContract, NoJobHasANetworkUnlessItIsGivenOne) {
  put("net.py",
      "import socket\ntry: socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))\n"
      "except OSError as e: print(e)\nelse: print('reached')\n");
  const auto c = claim("all:\n\t@python3 net.py\n");
  ASSERT_TRUE(graded(c));
  EXPECT_EQ(output(c), "[Errno 101] Network is unreachable\n");
}

TEST_P(VmmContract, AVmCanBeDestroyedInEveryState) {
  const auto c = claim("all:\n\tsleep 60\n");
  destroy(ready_vm());
  const auto filled = ready_vm();
  copy_in(filled, c);
  destroy(filled);
  const auto other = claim("all:\n\tsleep 60\n");
  const auto running = ready_vm();
  copy_in(running, other);
  bool ended = false;
  vmm_->run_job(running, other, milliseconds(30'000), [&](const Result<RunOutcome>& outcome) {
    EXPECT_FALSE(outcome);
    ended = true;
  });
  (void)wait<bool>([&](auto done) { loop_->after(milliseconds(600), [done] { done(true); }); });
  destroy(running);
  for (int i = 0; i < 100 && !ended; ++i)
    (void)wait<bool>([&](auto done) { loop_->after(milliseconds(50), [done] { done(true); }); });
  EXPECT_TRUE(ended);
}

TEST_P(VmmContract, WhatADeadDaemonLeftIsRemovedByTheNext) {
  const auto c = claim("all:\n");
  const auto left = ready_vm();
  copy_in(left, c);
  make_vmm();
  const std::string name = left->instance_name();
  EXPECT_FALSE(*wait<bool>([&](auto done) { vmm_->exists(name, milliseconds(30'000), done); }));
}

TEST_P(VmmContract, ImagesHasTheDefault) {
  EXPECT_THAT(*wait<std::vector<std::string>>([&](auto done) { vmm_->images(milliseconds(5'000), done); }),
              ::testing::Contains("default"));
}

// What a platform alone can do: here to stop answering.
class DockerContract : public VmmContract {
 protected:
  void stop_engine() { ASSERT_EQ(::kill(pid(), SIGSTOP), 0); }
  void TearDown() override {
    if (std::getenv("MILONGA_TEST_DOCKER_PID") != nullptr) (void)::kill(pid(), SIGCONT);
    VmmContract::TearDown();
  }
  static pid_t pid() { return std::stoi(std::getenv("MILONGA_TEST_DOCKER_PID")); }
};

TEST_P(DockerContract, AnEngineThatHangsCostsNoVerbMoreThanItsDeadline) {
  const auto c = claim("all:\n\t@sleep 60\n");
  const auto vm = ready_vm();
  copy_in(vm, c);
  loop_->after(milliseconds(1'000), [this] { stop_engine(); });
  const auto began = std::chrono::steady_clock::now();
  const auto outcome = run(vm, c, milliseconds(1'500));
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().line(), ::testing::StartsWith("deadline"));
  const auto other =
      wait<std::shared_ptr<Vm>>([&](auto done) { vmm_->initialize("default", milliseconds(500), done); });
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, EHOSTDOWN);
  const auto destroyed = wait<void>([&](auto done) { vmm_->destroy(vm, milliseconds(500), done); });
  EXPECT_FALSE(destroyed);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(8));
  ASSERT_EQ(::kill(pid(), SIGCONT), 0);
  // What could not be removed is removed when the Engine answers again.
  const std::string name = vm->instance_name();
  bool there = true;
  for (int i = 0; i < 100 && there; ++i) {
    (void)wait<bool>([&](auto done) { loop_->after(milliseconds(100), [done] { done(true); }); });
    there = *wait<bool>([&](auto done) { vmm_->exists(name, milliseconds(30'000), done); });
  }
  EXPECT_FALSE(there);
}

std::vector<std::size_t> all_drivers() {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < drivers().size(); ++i) all.push_back(i);
  return all;
}
static std::string driver_name(const ::testing::TestParamInfo<std::size_t>& tested) {
  return drivers()[tested.param].name;
}
INSTANTIATE_TEST_SUITE_P(Drivers, DockerContract, ::testing::Values(1u), driver_name);
INSTANTIATE_TEST_SUITE_P(Drivers, VmmContract, ::testing::ValuesIn(all_drivers()), driver_name);

}  // namespace
}  // namespace milonga::runner
