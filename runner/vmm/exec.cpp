#include "runner/vmm/exec.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/log.h"
#include "runner/vmm/exec_request.h"
#include "runner/vmm/exec_verb.h"
#include "runner/vmm/job_files.h"
#include "runner/vmm/outcome.h"

namespace milonga::runner {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr int kNothingToGive = 69;    // EX_UNAVAILABLE, sysexits.h: the attempt does not count
constexpr int kLastOfAutodriver = 3;  // autodriver(1), EXIT STATUS
constexpr milliseconds kListDeadline{60'000};
constexpr milliseconds kJanitorPause{
    60'000};  // before leftovers that could not be destroyed are looked for again
constexpr const char* kRequired[] = {"initialize", "copy-in", "run", "destroy", "list"};

struct ExecVm : Vm {
  [[nodiscard]] std::string instance_name() const override { return name; }
  std::string name, image;
  std::shared_ptr<Verb> verb;  // under way
};

std::string random_word() {
  unsigned char bytes[4];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) bug("getrandom(2) failed");
  return fmt::format("{:02x}{:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

// An image's name as a part of one that every platform takes.
std::string harmless(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '-');
  return text.substr(0, 32);
}

std::string find_helper() {
  for (const char* place : {"/exec-verb", "/../libexec/milonga/exec-verb"})
    if (const std::string path = own_folder() + place; ::faccessat(AT_FDCWD, path.c_str(), X_OK, 0) == 0)
      return path;
  return {};
}

UniqueFd open_new(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
}

Error failure(const std::string& verb, const VerbEnd& end) {
  Error error{fmt::format("the driver's {} ended with {}{}", verb, end.status,
                          end.said.empty() ? "" : ": " + end.said),
              {},
              0};
  if (end.status == kNothingToGive) error.code = EHOSTDOWN;
  return error;
}

class ExecVmm : public Vmm {
 public:
  ExecVmm(EventLoop& loop, queue::Queue& queue, ExecOptions options, std::string helper)
      : loop_(loop),
        queue_(queue),
        options_(std::move(options)),
        helper_(std::move(helper)),
        prefix_("milonga-" + options_.owner.substr(0, 8) + "-") {
    clean();
  }
  ~ExecVmm() override { loop_.cancel(janitor_); }

  void initialize(const std::string& image, Deadline deadline, Done<std::shared_ptr<Vm>> done) override {
    auto vm = std::make_shared<ExecVm>();
    vm->name = prefix_ + random_word() + "-" + harmless(image);
    vm->image = image;
    living_[vm->name] = vm;
    when_clean([this, vm, deadline, done = std::move(done)] {
      call(vm, plan("initialize", vm.get(), {}, deadline), [this, vm, done](const Result<VerbEnd>& end) {
        if (end && end->status == 0) return done(std::shared_ptr<Vm>(vm));
        // There is no VM for the lifecycle to destroy; what there is of it we take down.
        auto error = end ? failure("initialize", *end) : end.error();
        take_down(vm, [done, error](const Result<void>&) { done(Unexpected(error)); });
      });
    });
  }
  void wait(std::shared_ptr<Vm> vm, Deadline deadline, Done<void> done) override {
    optional(vm, "wait", {}, deadline, std::move(done));
  }
  void copy_in(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline deadline,
               Done<void> done) override {
    if (auto written = write_job_files(queue_, claim); !written)
      return loop_.post([error = written.error(), done = std::move(done)] { done(Unexpected(error)); });
    simple(vm, "copy-in", about_job(claim), deadline, std::move(done));
  }
  void run_job(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline deadline,
               Done<RunOutcome> done) override;
  void copy_out(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline deadline,
                Done<void> done) override {
    optional(vm, "copy-out", about_job(claim), deadline, std::move(done));
  }
  void destroy(std::shared_ptr<Vm> any, Deadline deadline, Done<void> done) override {
    auto vm = std::static_pointer_cast<ExecVm>(any);
    if (!vm->verb) return take_down(vm, std::move(done), deadline);
    vm->verb->stop("cancelled: its VM was destroyed");
    ended_[vm->name] = [this, vm, deadline, done = std::move(done)] { take_down(vm, done, deadline); };
  }
  void cancel(const std::shared_ptr<Vm>& vm) override {
    if (auto& verb = static_cast<ExecVm&>(*vm).verb) verb->stop("cancelled");
  }
  void list(Deadline deadline, Done<std::vector<std::string>> done) override {
    when_clean([this, deadline, done = std::move(done)] {
      lines("list", deadline, [this, done](Result<std::vector<std::string>> all) {
        if (all) std::erase_if(*all, [this](const std::string& name) { return !name.starts_with(prefix_); });
        done(std::move(all));
      });
    });
  }
  void exists(const std::string& name, Deadline deadline, Done<bool> done) override {
    list(deadline, [name, done = std::move(done)](const Result<std::vector<std::string>>& all) {
      if (!all) return done(Unexpected(all.error()));
      done(std::find(all->begin(), all->end(), name) != all->end());
    });
  }
  void images(Deadline deadline, Done<std::vector<std::string>> done) override {
    if (!has("images"))
      return loop_.post([done = std::move(done)] { done(std::vector<std::string>{"default"}); });
    lines("images", deadline, std::move(done));
  }
  void partial_output(std::shared_ptr<Vm> vm, std::uint64_t offset, std::size_t limit, Deadline,
                      Done<std::string> done) override {
    std::string text;
    if (const auto found = outputs_.find(vm->instance_name()); found != outputs_.end())
      text = read_piece(found->second, offset, limit);
    loop_.post([text, done = std::move(done)] { done(text); });
  }

 private:
  [[nodiscard]] std::string path_of(const std::string& verb) const {
    return options_.exec.directory + "/" + verb;
  }
  [[nodiscard]] bool has(const std::string& verb) const {
    return ::faccessat(AT_FDCWD, path_of(verb).c_str(), X_OK, 0) == 0;
  }
  [[nodiscard]] VerbPlan plan(const std::string& verb, const ExecVm* vm, Asked asked,
                              Deadline deadline) const;
  void call(const std::shared_ptr<ExecVm>& vm, const VerbPlan& plan, const Done<VerbEnd>& done);
  void simple(const std::shared_ptr<Vm>& vm, const std::string& verb, Asked asked, Deadline deadline,
              Done<void> done);
  void optional(const std::shared_ptr<Vm>& vm, const std::string& verb, Asked asked, Deadline deadline,
                Done<void> done);
  void take_down(const std::shared_ptr<ExecVm>& vm, Done<void> done, Deadline deadline = kListDeadline);
  void lines(const std::string& verb, Deadline deadline, Done<std::vector<std::string>> done);
  void clean();
  void destroy_leftovers(std::vector<std::string> left);
  void when_clean(std::function<void()> then);

  EventLoop& loop_;
  queue::Queue& queue_;
  ExecOptions options_;
  std::string helper_;  // path of exec-verb
  std::string prefix_;  // of the names of all our instances
  std::map<std::string, std::shared_ptr<ExecVm>> living_;
  std::map<std::string, std::string> outputs_;          // instance -> file, while it runs
  std::map<std::string, std::function<void()>> ended_;  // instance -> what waits for the end of its verb
  std::map<int, std::shared_ptr<Verb>> others_;         // verbs under way that are of no instance
  int number_ = 0;
  std::vector<std::function<void()>> waiting_;  // for the janitor's first round
  bool clean_ = false;
  EventLoop::TimerId janitor_ = 0;
};

VerbPlan ExecVmm::plan(const std::string& verb, const ExecVm* vm, Asked asked, Deadline deadline) const {
  auto& v = asked.variables;
  v["PROTOCOL"] = "1";
  v["VERB"] = verb;
  v["PREFIX"] = prefix_;
  v["DEADLINE"] = std::to_string(std::max<std::int64_t>(1, deadline.count() / 1000));
  if (vm != nullptr) {
    v["INSTANCE"] = vm->name;
    v["IMAGE"] = vm->image;
  }
  VerbPlan plan;
  plan.helper = helper_;
  plan.program = path_of(verb);
  plan.deadline = deadline;
  tell(std::move(asked), options_.exec.environment, plan);
  return plan;
}

void ExecVmm::call(const std::shared_ptr<ExecVm>& vm, const VerbPlan& plan, const Done<VerbEnd>& done) {
  const int number = ++number_;
  auto started = Verb::start(loop_, plan, [this, vm, number, done](const Result<VerbEnd>& end) {
    const auto verb =
        vm ? std::exchange(vm->verb, nullptr) : others_.extract(number).mapped();  // till the end of this
    done(end);
    if (!vm) return;
    if (auto then = ended_.extract(vm->name)) then.mapped()();
  });
  if (!started) return loop_.post([error = started.error(), done] { done(Unexpected(error)); });
  if (vm)
    vm->verb = *started;
  else
    others_[number] = *started;
}

void ExecVmm::simple(const std::shared_ptr<Vm>& any, const std::string& verb, Asked asked, Deadline deadline,
                     Done<void> done) {
  auto vm = std::static_pointer_cast<ExecVm>(any);
  call(vm, plan(verb, vm.get(), std::move(asked), deadline),
       [verb, done = std::move(done)](const Result<VerbEnd>& end) {
         if (!end) return done(Unexpected(end.error()));
         done(end->status == 0 ? Result<void>{} : Result<void>(Unexpected(failure(verb, *end))));
       });
}

void ExecVmm::optional(const std::shared_ptr<Vm>& vm, const std::string& verb, Asked asked, Deadline deadline,
                       Done<void> done) {
  if (has(verb)) return simple(vm, verb, std::move(asked), deadline, std::move(done));
  loop_.post([done = std::move(done)] { done({}); });
}

void ExecVmm::run_job(std::shared_ptr<Vm> any, const queue::Claim& claim, Deadline deadline,
                      Done<RunOutcome> done) {
  auto vm = std::static_pointer_cast<ExecVm>(any);
  const UniqueFd output = open_new(claim.work_dir + "/output"), lock = open_new(claim.work_dir + "/lock");
  auto asked = about_run(claim, vm->image, options_.default_wall);
  if (!asked)
    return loop_.post([report = refusal(asked.error().line()), done = std::move(done)] {
      done(RunOutcome{report, 1});
    });
  if (!output.valid() || !lock.valid() || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return loop_.post(
        [error = fail_errno("write to", claim.work_dir), done = std::move(done)] { done(error); });
  VerbPlan run = plan("run", vm.get(), std::move(*asked), deadline);
  run.output = output.get();
  run.lock = lock.get();
  const std::string report = claim.work_dir + "/report.json";
  (void)::unlink(report.c_str());
  outputs_[vm->name] = claim.work_dir + "/output";
  call(vm, run, [this, vm, report, done = std::move(done)](const Result<VerbEnd>& end) {
    outputs_.erase(vm->name);
    if (!end) return done(Unexpected(end.error()));
    if (end->status > kLastOfAutodriver) return done(Unexpected(failure("run", *end)));
    done(outcome_of({read_left(report), end->status, end->said}));
  });
}

void ExecVmm::take_down(const std::shared_ptr<ExecVm>& vm, Done<void> done, Deadline deadline) {
  simple(vm, "destroy", {}, deadline,
         [this, name = vm->name, done = std::move(done)](const Result<void>& destroyed) {
           living_.erase(name);  // if it is still there, the janitor of the next start finds it
           done(destroyed);
         });
}

void ExecVmm::lines(const std::string& verb, Deadline deadline, Done<std::vector<std::string>> done) {
  call(nullptr, plan(verb, nullptr, {}, deadline),
       [verb, done = std::move(done)](const Result<VerbEnd>& end) {
         if (!end) return done(Unexpected(end.error()));
         if (end->status != 0) return done(Unexpected(failure(verb, *end)));
         std::vector<std::string> all;
         std::istringstream text(end->output);
         for (std::string line; std::getline(text, line);)
           if (!line.empty()) all.push_back(line);
         done(all);
       });
}

// What a dead daemon of this spool left: all that bears our prefix and is not alive.
void ExecVmm::clean() {
  lines("list", kListDeadline, [this](const Result<std::vector<std::string>>& all) {
    std::vector<std::string> left;
    for (const std::string& name : all.value_or(std::vector<std::string>{}))
      if (name.starts_with(prefix_) && !living_.contains(name)) left.push_back(name);
    if (!all) {
      log(Level::warning, all.error().line() + "; what an earlier daemon left is looked for again later");
      janitor_ = loop_.after(kJanitorPause, [this] { clean(); });
    }
    destroy_leftovers(std::move(left));
  });
}

void ExecVmm::destroy_leftovers(std::vector<std::string> left) {
  if (left.empty()) {
    clean_ = true;
    for (auto& then : std::exchange(waiting_, {})) then();
    return;
  }
  auto vm = std::make_shared<ExecVm>();
  vm->name = left.back();
  left.pop_back();
  log(Level::info, vm->name + " is of an earlier daemon: destroyed");
  living_[vm->name] = vm;
  take_down(vm, [this, vm, left = std::move(left)](const Result<void>& destroyed) {
    if (!destroyed) log(Level::warning, vm->name + ": " + destroyed.error().line());
    destroy_leftovers(left);
  });
}

void ExecVmm::when_clean(std::function<void()> then) {
  if (clean_) return then();
  waiting_.push_back(std::move(then));
}

}  // namespace

Result<std::unique_ptr<Vmm>> make_exec_vmm(EventLoop& loop, queue::Queue& queue, ExecOptions options) {
  const std::string helper = find_helper();
  if (helper.empty())
    return fail("cannot find exec-verb", "it belongs beside milongad or into ../libexec/milonga");
  if (options.exec.directory.empty())
    return fail("the driver exec has no directory of verbs", "name it with --exec-directory DIR");
  for (const char* verb : kRequired)
    if (const std::string path = options.exec.directory + "/" + verb;
        ::faccessat(AT_FDCWD, path.c_str(), X_OK, 0) != 0)
      return fail_errno(
          "use", path, "a driver needs: initialize, copy-in, run, destroy, list; see milonga-exec-driver(7)");
  return std::unique_ptr<Vmm>(std::make_unique<ExecVmm>(loop, queue, std::move(options), helper));
}

}  // namespace milonga::runner
