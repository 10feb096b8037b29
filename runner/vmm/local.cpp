#include "runner/vmm/local.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <thread>

#include "autodriver/options.h"
#include "autodriver/warm_job.h"
#include "base/child.h"
#include "runner/vmm/job_box.h"
#include "runner/vmm/job_files.h"
#include "runner/vmm/outcome.h"
#include "runner/vmm/warm_boxes.h"

namespace milonga::runner {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kCancelGrace{5000};  // from SIGTERM, which ends a run in order, to SIGKILL
constexpr int kLockNumber = 9;              // autodriver's own descriptor of the work directory's lock
constexpr milliseconds kWarmIdle{60'000};   // a box that was made ahead waits at most so long for a job

UniqueFd open_new(const queue::Claim& claim, const char* name) {
  return UniqueFd(::open((claim.work_dir + "/" + name).c_str(),
                         O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
}

struct LocalVm : Vm {
  LocalVm(std::string prefix, int number, const std::string& image)
      : name(fmt::format("{}-{}-{}", prefix, number, image)) {}
  [[nodiscard]] std::string instance_name() const override { return name; }

  std::string name;
  Child child;        // autodriver, while a run is under way
  UniqueFd lifeline;  // our end of its standard input
  EventLoop::TimerId deadline = 0, kill_timer = 0;
  std::string stopped_because;  // "cancelled" or "deadline ..."; empty: it ends by itself
};

class LocalVmm : public Vmm {
 public:
  LocalVmm(EventLoop& loop, queue::Queue& queue, LocalOptions options)
      : loop_(loop), queue_(queue), options_(std::move(options)), warm_(loop, options_.warm, kWarmIdle) {}

  void initialize(const std::string& image, Deadline, Done<std::shared_ptr<Vm>> done) override {
    auto vm = std::make_shared<LocalVm>(options_.prefix, ++number_, image);
    living_.insert(vm->name);
    loop_.post([vm, done = std::move(done)] { done(std::shared_ptr<Vm>(vm)); });
  }
  void wait(std::shared_ptr<Vm>, Deadline, Done<void> done) override {
    loop_.post([done = std::move(done)] { done({}); });  // a box is made when it is needed
  }
  void copy_in(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline, Done<void> done) override {
    auto copied = std::make_shared<Result<void>>(write_job_files(queue_, claim));
    loop_.post([vm, copied, done = std::move(done)] { done(std::move(*copied)); });
  }
  void run_job(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline deadline,
               Done<RunOutcome> done) override;
  void copy_out(std::shared_ptr<Vm>, const queue::Claim& claim, Deadline, Done<void> done) override {
    std::error_code error;
    const bool there = fs::is_regular_file(claim.work_dir + "/output", error);
    loop_.post([there, dir = claim.work_dir, done = std::move(done)] {
      done(there ? Result<void>{} : Result<void>(fail("no output in '" + dir + "'")));
    });
  }
  void destroy(std::shared_ptr<Vm> vm, Deadline, Done<void> done) override {
    auto& local = static_cast<LocalVm&>(*vm);
    local.lifeline.reset();  // if it still runs, autodriver ends the box and itself
    living_.erase(local.name);
    loop_.post([vm, done = std::move(done)] { done({}); });
  }
  void cancel(const std::shared_ptr<Vm>& vm) override {
    stop(std::static_pointer_cast<LocalVm>(vm), "cancelled");
  }

  void list(Deadline, Done<std::vector<std::string>> done) override {
    loop_.post([names = std::vector<std::string>(living_.begin(), living_.end()), done = std::move(done)] {
      done(names);
    });
  }
  void exists(const std::string& name, Deadline, Done<bool> done) override {
    loop_.post([there = living_.contains(name), done = std::move(done)] { done(there); });
  }
  void images(Deadline, Done<std::vector<std::string>> done) override {
    loop_.post([done = std::move(done)] { done(std::vector<std::string>{"default"}); });
  }
  void partial_output(std::shared_ptr<Vm> vm, std::uint64_t offset, std::size_t limit, Deadline,
                      Done<std::string> done) override {
    std::string text;
    if (const auto found = outputs_.find(static_cast<LocalVm&>(*vm).name); found != outputs_.end())
      text = read_piece(found->second, offset, limit);
    loop_.post([text, done = std::move(done)] { done(text); });
  }

 private:
  std::vector<std::string> command_line(const queue::Claim& claim, const BoxOptions& box, bool warm) const;
  Result<void> start(LocalVm& vm, const queue::Claim& claim, const BoxOptions& box);
  void stop(const std::shared_ptr<LocalVm>& vm, const std::string& why);
  Result<RunOutcome> outcome(LocalVm& vm, int status, const std::string& work_dir) const;

  EventLoop& loop_;
  queue::Queue& queue_;
  LocalOptions options_;
  int number_ = 0;
  std::set<std::string> living_;
  std::map<std::string, std::string> outputs_;  // instance name -> file
  WarmBoxes warm_;
};

// autodriver's. That of a warm box has nothing of this one job in it. No name of a job is taken for an option.
std::vector<std::string> LocalVmm::command_line(const queue::Claim& claim, const BoxOptions& box,
                                                bool warm) const {
  std::vector<std::string> argv = autodriver_arguments(box);
  std::vector<std::string> own = {options_.autodriver, "--stream"};
  if (warm)
    own.emplace_back("--warm");
  else
    own.insert(own.end(), {"--lifeline", "--report", claim.work_dir + "/report.json"});
  argv.insert(argv.begin(), own.begin(), own.end());
  argv.push_back(warm ? "./" + claim.job.directory : claim.work_dir + "/input/" + claim.job.directory);
  if (!claim.job.command.empty()) {
    argv.insert(argv.end(), {"--command", "--"});
    argv.insert(argv.end(), claim.job.command.begin(), claim.job.command.end());
  }
  return argv;
}

// In a box that waits, if one of this kind does; else in a new one.
Result<void> LocalVmm::start(LocalVm& vm, const queue::Claim& claim, const BoxOptions& box) {
  const std::string input = claim.work_dir + "/input/" + claim.job.directory;
  WarmJob job{UniqueFd(::open(input.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), open_new(claim, "output"),
              open_new(claim, "errors"), open_new(claim, "lock"), claim.work_dir + "/report.json"};
  if (!job.output.valid() || !job.errors.valid() || !job.lock.valid())
    return fail_errno("write to", claim.work_dir);
  if (::flock(job.lock.get(), LOCK_EX | LOCK_NB) != 0) return fail_errno("lock", claim.work_dir);
  outputs_[vm.name] = claim.work_dir + "/output";
  // An image may get another content under the same name: no box of one is made ahead.
  const bool may_be_warm = options_.warm > 0 && box.image == "default" && job.directory.valid();
  if (may_be_warm) {
    std::vector<std::string> kind = command_line(claim, box, true);
    auto ready = warm_.give(kind, job);
    loop_.post([this, kind = std::move(kind)] { warm_.make(kind); });
    if (ready) {
      vm.child = std::move(ready->autodriver);
      vm.lifeline = std::move(ready->socket);
      return {};
    }
  }
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return fail_errno("make a pipe", "");
  const UniqueFd their_end(pipe[0]);
  vm.lifeline.reset(pipe[1]);
  vm.child = TRY(Child::spawn(
      {command_line(claim, box, false),
       {{their_end.get(), 0}, {job.output.get(), 1}, {job.errors.get(), 2}, {job.lock.get(), kLockNumber}}}));
  return {};
}

void LocalVmm::run_job(std::shared_ptr<Vm> any, const queue::Claim& claim, Deadline deadline,
                       Done<RunOutcome> done) {
  auto vm = std::static_pointer_cast<LocalVm>(any);
  const Result<BoxOptions> box = box_of(claim.job, claim.job.image, options_.default_wall);
  if (!box) {
    (void)open_new(claim, "output");  // it wrote none
    return loop_.post([report = refusal(box.error().line()), done = std::move(done)] {
      done(RunOutcome{report, 1});
    });
  }
  if (auto started = start(*vm, claim, *box); !started)
    return loop_.post([error = started.error(), done = std::move(done)] { done(Unexpected(error)); });
  vm->deadline = loop_.after(deadline, [this, vm, deadline] {
    vm->deadline = 0;
    stop(vm, fmt::format("deadline of {} s passed", deadline.count() / 1000));
  });
  const int pidfd = vm->child.pidfd();
  auto watched = loop_.when_readable(pidfd, [this, vm, pidfd, work = claim.work_dir, done] {
    loop_.forget(pidfd);
    loop_.cancel(vm->deadline);
    loop_.cancel(vm->kill_timer);
    outputs_.erase(vm->name);
    const Result<int> status = vm->child.reap();
    done(status ? outcome(*vm, *status, work) : Result<RunOutcome>(Unexpected(status.error())));
  });
  if (!watched) bug(watched.error().line());
}

void LocalVmm::stop(const std::shared_ptr<LocalVm>& vm, const std::string& why) {
  if (vm->child.pidfd() < 0 || !vm->stopped_because.empty()) return;
  vm->stopped_because = why;
  vm->child.signal(SIGTERM);
  vm->kill_timer = loop_.after(kCancelGrace, [vm] {
    vm->kill_timer = 0;
    vm->child.signal(SIGKILL);  // the core sees its owner gone and removes the box
  });
}

// Found out by doing: what autodriver could not write it cannot tell us.
bool is_full(const std::string& work_dir) {
  constexpr off_t kRoom = 1 << 20;
  const std::string probe = work_dir + "/room";
  const UniqueFd fd(::open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  const int error = fd.valid() ? ::posix_fallocate(fd.get(), 0, kRoom) : errno;
  (void)::unlink(probe.c_str());
  return error == ENOSPC || error == EDQUOT;
}

Result<RunOutcome> LocalVmm::outcome(LocalVm& vm, int status, const std::string& work_dir) const {
  if (!vm.stopped_because.empty()) return fail(vm.stopped_because);
  const std::string said = said_in_one_line(read_left(work_dir + "/errors"));
  auto out = WIFEXITED(status) ? outcome_of({read_left(work_dir + "/report.json"), WEXITSTATUS(status), said})
                               : fail(fmt::format("autodriver was killed by signal {}{}", WTERMSIG(status),
                                                  said.empty() ? said : " (it said: " + said + ")"));
  if (!out && is_full(work_dir)) return Unexpected(Error{out.error().what, out.error().hint, ENOSPC});
  return out;
}

}  // namespace

std::unique_ptr<Vmm> make_local_vmm(EventLoop& loop, queue::Queue& queue, LocalOptions options) {
  return std::make_unique<LocalVmm>(loop, queue, std::move(options));
}

// flock(2) has no deadline, so the wait is a bounded one; it is made once per
// orphan, at start, and autodriver is gone within milliseconds of its owner.
bool wait_for_orphan(const std::string& work_dir, milliseconds at_most) {
  UniqueFd lock(::open((work_dir + "/lock").c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!lock.valid()) return true;  // it never came to run
  const auto until = std::chrono::steady_clock::now() + at_most;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

}  // namespace milonga::runner
