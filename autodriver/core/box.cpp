#include "autodriver/core/box.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <initializer_list>

#include "autodriver/core/supervise.h"
#include "base/core/clock.h"
#include "sandbox/core/init.h"
#include "sandbox/core/privilege.h"
#include "sandbox/core/root.h"

namespace milonga::core {
namespace {

constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;

// Demands that are met by the way a box is built: a step that fails on the way
// ends the run, so these rows hold whenever there is a run.
struct ByConstruction {
  Demand demand;
  Mechanism mechanism;
};
constexpr ByConstruction kByConstruction[] = {
    {Demand::wall, Mechanism::timerfd},
    {Demand::disk, Mechanism::tmpfs_size},
    {Demand::inodes, Mechanism::tmpfs_inodes},
    {Demand::file_size, Mechanism::rlimit_fsize},
    {Demand::open_files, Mechanism::rlimit_nofile},
    {Demand::output, Mechanism::output_pipe},  // by the front; the cap never was in the job's hands
    {Demand::kill, Mechanism::pid_namespace},
    {Demand::network, Mechanism::net_namespace},
    {Demand::filesystem, Mechanism::own_root},
    {Demand::visibility, Mechanism::namespaces},
    {Demand::privilege, Mechanism::no_new_privs},
    {Demand::syscalls, Mechanism::seccomp_filter},
};

// Descriptors to the numbers that init expects; dup3 leaves close-on-exec off
// only where init itself wants them, and exec closes all from 3 on anyway.
Fail place(int from, int to) {
  return ::dup3(from, to, O_CLOEXEC) == to ? fine() : failed(Step::spawn, "cannot place a descriptor for the box");
}

}  // namespace

void Box::time_step(Step step) {
  const std::uint64_t now = now_ns();
  response_.step_ns[static_cast<std::size_t>(step)] += now - step_began_;
  step_began_ = now;
}

Fail Box::prepare() {
  step_began_ = now_ns();
  MUST(slot_.acquire(static_cast<std::uint32_t>(authority_.uid_count)));
  response_.slot = slot_.number();
  response_.uid = static_cast<std::uint32_t>(authority_.uid_base) + slot_.number();
  time_step(Step::slot);
  MUST(cgroup_.create(slot_.number()));
  MUST(cgroup_.limit(request_.limits, response_.evidence));
  time_step(Step::cgroup);
  if ((request_.flags & kHasImage) != 0) MUST(copy_image(kFdImage, image_));
  return make_scratch(request_.limits[LimitId::disk], request_.limits[LimitId::inodes], scratch_);
}

// The cgroup wrote its own rows; these are the others.
Fail Box::plan_evidence() {
  const auto met = [&](Demand d, Mechanism m, Rung rung) {
    Evidence& e = response_.evidence[static_cast<std::size_t>(d)];
    e.mechanism = m;
    e.rung = rung;
  };
  for (const ByConstruction& row : kByConstruction) met(row.demand, row.mechanism, Rung::exact);
  if (cgroup_.birthplace() < 0) met(Demand::kill, Mechanism::pid_namespace, Rung::strong);
  if ((request_.flags & kHostNetwork) != 0) met(Demand::network, Mechanism::host_network, Rung::none);
  if (request_.filter_size == 0) met(Demand::syscalls, Mechanism::none, Rung::none);
  for (std::size_t i = 0; i < kLimitCount; ++i) {
    if (request_.limits.value[i] == 0) continue;
    response_.evidence[i].requested = request_.limits.value[i];
    response_.evidence[i].known |= Evidence::kRequested;
  }
  ScratchUse use;
  if (!scratch_use(scratch_.get(), use)) return failed(Step::root, "cannot read the box's tmpfs back");
  if (use.bytes_total > request_.limits[LimitId::disk] + 4096 || use.inodes_total > request_.limits[LimitId::inodes])
    return refused(Step::root, "the box's tmpfs does not read back as it was sized");
  Evidence& disk = response_.evidence[static_cast<std::size_t>(Demand::disk)];
  Evidence& inodes = response_.evidence[static_cast<std::size_t>(Demand::inodes)];
  disk.read_back = use.bytes_total;
  inodes.read_back = use.inodes_total;
  disk.known |= Evidence::kReadBack;
  inodes.known |= Evidence::kReadBack;
  return fine();
}

Fail Box::check_required() {
  for (std::size_t i = 0; i < kDemandCount; ++i) {
    if (response_.evidence[i].rung >= request_.require[i]) continue;
    std::snprintf(response_.failed_what, sizeof response_.failed_what,
                  "%s: this host or request gives '%s' where '%s' is required (milonga doctor says how to get more)",
                  kDemandNames[i], rung_name(response_.evidence[i].rung), rung_name(request_.require[i]));
    return refused(Step::cgroup, response_.failed_what);
  }
  return fine();
}

Fail Box::spawn() {
  step_began_ = now_ns();
  int status[2], go[2];
  if (::pipe2(status, O_CLOEXEC) != 0) return failed(Step::spawn, "cannot make a pipe");
  status_.reset(status[0]);
  UniqueFd status_write(status[1]);
  if (::pipe2(go, O_CLOEXEC) != 0) return failed(Step::spawn, "cannot make a pipe");
  UniqueFd go_read(go[0]);
  go_.reset(go[1]);
  MUST(place(status_write.get(), kBoxStatus));
  MUST(place(go_read.get(), kBoxGo));
  MUST(place(kFdOutput, kBoxOutput));
  if ((request_.flags & kHasInput) != 0) MUST(place(kFdInput, kBoxInput));

  int pidfd = -1;
  clone_args args{};
  args.flags = kNamespaces | CLONE_PIDFD;
  if ((request_.flags & kHostNetwork) == 0) args.flags |= CLONE_NEWNET;
  args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (cgroup_.birthplace() >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(cgroup_.birthplace());
  }
  pid_t pid = -1;
  {
    Raised up(CAP_SYS_ADMIN);
    pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  }
  if (pid == 0) {
    BoxPlan plan;
    plan.request = &request_;
    plan.cgroup = &cgroup_;
    plan.root = {image_.get(), scratch_.get(), response_.uid, response_.uid, request_.work_name};
    run_init(plan);
  }
  if (pid < 0) return failed(Step::spawn, "cannot clone the box's init");
  init_.reset(pidfd);
  // Only the box writes there from now on: end of file means that it is gone.
  for (const int fd : {+kBoxStatus, +kBoxGo, +kBoxOutput, +kFdOutput}) ::close(fd);
  if ((request_.flags & kHasInput) != 0)  // else 6 and 103 are nobody's, or somebody else's
    for (const int fd : {+kBoxInput, +kFdInput}) ::close(fd);
  time_step(Step::spawn);
  return fine();
}

// CAP_KILL stays up from before init is told to go on until the box is dead. For
// when we are killed ourselves, the kernel sends init's death signal in our
// name, and asks at that moment whether we may signal that uid
// (check_kill_permission(), prctl(2) PR_SET_PDEATHSIG does not say so): without
// the capability in effect, the box would outlive us. If we die before the
// write, init sees the end of the pipe instead.
Fail Box::watch(Watched& watched) {
  Raised up(CAP_KILL);
  (void)!::write(go_.get(), "g", 1);  // EPIPE: init has given up, and has said why
  const Fail fail = supervise(watched, response_);
  (void)::syscall(SYS_pidfd_send_signal, init_.get(), SIGKILL, nullptr, 0);  // dead already, unless we failed
  return fail;
}

Fail Box::account() {
  Usage& usage = response_.usage;
  cgroup_.account(usage, response_.evidence);
  const auto row = [&](Demand d) -> Evidence& { return response_.evidence[static_cast<std::size_t>(d)]; };
  const auto counted = [&](Demand d, std::uint64_t value) {
    row(d).counter = value;
    row(d).known |= Evidence::kCounter;
  };
  ScratchUse use;
  if (scratch_use(scratch_.get(), use)) {
    usage.disk_bytes = use.bytes_used;
    usage.inodes = use.inodes_used;
    counted(Demand::disk, use.bytes_used);
    counted(Demand::inodes, use.inodes_used);
    row(Demand::disk).hit = use.bytes_used >= use.bytes_total;
    row(Demand::inodes).hit = use.inodes_used >= use.inodes_total;
    const bool full = row(Demand::disk).hit != 0 || row(Demand::inodes).hit != 0;
    if (full && (response_.verdict == Verdict::failed || response_.verdict == Verdict::signaled))
      response_.verdict = Verdict::disk_limit;
  }
  if (response_.started_ns != 0) {
    const std::uint64_t until = response_.ended_ns != 0 ? response_.ended_ns : response_.dead_ns;
    counted(Demand::wall, until - response_.started_ns);
  }
  if (cgroup_.birthplace() >= 0) {
    if (!cgroup_.empty()) row(Demand::kill).rung = Rung::strong;
    else row(Demand::kill).known |= Evidence::kReadBack;  // 0 processes left
  }
  row(Demand::wall).hit = response_.verdict == Verdict::wall_limit;
  row(Demand::cpu).hit = response_.verdict == Verdict::cpu_limit;
  row(Demand::memory).hit = usage.oom_kills > 0 || response_.verdict == Verdict::memory_limit;
  return fine();
}

// The total is exact; user and system are sampled by ticks on v1, so the split
// is scaled to the total, as getrusage(2) does it.
void Box::account_cpu(std::uint64_t setup_ns) {
  const BoxCgroup::Number cpu = cgroup_.cpu_ns();
  if (!cpu.ok) return;
  Usage& usage = response_.usage;
  usage.cpu_ns = cpu.value > setup_ns ? cpu.value - setup_ns : 0;
  const std::uint64_t sampled = usage.cpu_user_ns + usage.cpu_system_ns;
  const double user_share = sampled == 0 ? 1.0 : static_cast<double>(usage.cpu_user_ns) / static_cast<double>(sampled);
  usage.cpu_user_ns = static_cast<std::uint64_t>(static_cast<double>(usage.cpu_ns) * user_share);
  usage.cpu_system_ns = usage.cpu_ns - usage.cpu_user_ns;
  Evidence& row = response_.evidence[static_cast<std::size_t>(Demand::cpu)];
  row.counter = usage.cpu_ns;
  row.known |= Evidence::kCounter;
}

Fail Box::judge() {
  MUST(prepare());
  MUST(plan_evidence());
  MUST(check_required());
  MUST(spawn());
  Watched watched{&request_, &cgroup_, init_.get(), status_.get(), 0};
  const Fail judged = watch(watched);
  step_began_ = response_.dead_ns;
  MUST(account());
  account_cpu(watched.setup_cpu_ns);
  time_step(Step::account);
  return judged;
}

Fail Box::run() {
  const Fail judged = judge();
  scratch_.reset();
  const Fail removed = cgroup_.remove();
  time_step(Step::remove);
  return judged ? judged : removed;
}

}  // namespace milonga::core
