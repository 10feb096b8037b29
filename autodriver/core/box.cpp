#include "autodriver/core/box.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "autodriver/core/supervise.h"
#include "base/core/clock.h"
#include "sandbox/core/contained.h"
#include "sandbox/core/init.h"
#include "sandbox/core/landlock.h"
#include "sandbox/core/privilege.h"
#include "sandbox/core/root.h"
#include "sandbox/core/rootless.h"

namespace milonga::core {
namespace {

constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;

// Demands that are met by the way a box is built: a step that fails on the way
// ends the run, so these rows hold whenever there is a run.
struct ByConstruction {
  Demand demand;
  Mechanism mechanism;
  Rung rung = Rung::exact;
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

// The same in a container. Of the disk limit one part is left: no single file is larger.
constexpr ByConstruction kContained[] = {
    {Demand::wall, Mechanism::timerfd},
    {Demand::disk, Mechanism::rlimit_fsize_each, Rung::best_effort},
    {Demand::inodes, Mechanism::none, Rung::none},
    {Demand::file_size, Mechanism::rlimit_fsize},
    {Demand::open_files, Mechanism::rlimit_nofile},
    {Demand::output, Mechanism::output_pipe},
    {Demand::kill, Mechanism::exit_kill, Rung::bounded},
    {Demand::network, Mechanism::socket_filter, Rung::strong},
    {Demand::filesystem, Mechanism::own_uid, Rung::best_effort},
    {Demand::visibility, Mechanism::own_uid, Rung::bounded},
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
  MUST(slot_.acquire(is_contained() ? 1 : static_cast<std::uint32_t>(authority_.uid_count)));
  response_.slot = slot_.number();
  response_.uid = is_contained() ? contained_uid() : static_cast<std::uint32_t>(authority_.uid_base) + slot_.number();
  response_.kind = is_contained() ? BoxKind::container : is_rootless() ? BoxKind::user_namespace : BoxKind::root;
  if (is_contained()) MUST(sweep(response_.uid));  // of a supervisor that was killed
  time_step(Step::slot);
  MUST(cgroup_.create(slot_.number()));
  MUST(cgroup_.limit(request_.limits, response_.evidence));
  time_step(Step::cgroup);
  if (is_contained())
    return (request_.flags & kHasImage) == 0 ? fine()
                                             : refused(Step::root, "an image needs mounts, which this container may not make");
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
  if (is_contained()) {
    for (const ByConstruction& row : kContained) met(row.demand, row.mechanism, row.rung);
    if (has_no_network()) met(Demand::network, Mechanism::container_network, Rung::exact);
    if (landlock_version() > 0) met(Demand::filesystem, Mechanism::landlock, Rung::bounded);
    if (landlock_version() >= kLandlockScopes) met(Demand::visibility, Mechanism::landlock, Rung::strong);
  } else {
    for (const ByConstruction& row : kByConstruction) met(row.demand, row.mechanism, row.rung);
    if ((request_.flags & kLoopback) != 0) met(Demand::network, Mechanism::net_loopback, Rung::exact);
  }
  if (!is_contained() && cgroup_.birthplace() < 0) met(Demand::kill, Mechanism::pid_namespace, Rung::strong);
  if ((request_.flags & kHostNetwork) != 0) met(Demand::network, Mechanism::host_network, Rung::none);
  if (request_.filter_size == 0) met(Demand::syscalls, Mechanism::none, Rung::none);
  for (std::size_t i = 0; i < kDemandCount; ++i) {
    Evidence& e = response_.evidence[i];
    // Swap: none is always asked for, 0 bytes. The rest are asked for or not.
    const bool is_limit = i < kLimitCount;
    if (is_limit && request_.limits.value[i] == 0) continue;
    e.requested = is_limit ? request_.limits.value[i] : static_cast<Demand>(i) != Demand::swap && e.rung != Rung::none;
    e.known |= Evidence::kRequested;
  }
  return is_contained() ? fine() : plan_scratch();
}

Fail Box::plan_scratch() {
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

// What no cgroup does is done from inside where that is worth something: in a
// user namespace of its own a user's processes are those of this box alone.
void Box::plan_fallbacks() {
  const auto without = [&](Demand d, Mechanism m, Rung rung) {
    Evidence& e = response_.evidence[static_cast<std::size_t>(d)];
    if (e.rung != Rung::none || !(is_rootless() || is_contained())) return false;
    e.mechanism = m;
    e.rung = rung;
    return true;
  };
  // Tracing costs the job its own debuggers: only where somebody asks for the limit or the number.
  const Rung cpu = request_.require[static_cast<std::size_t>(Demand::cpu)];
  if (request_.limits[LimitId::cpu] != 0 || cpu >= Rung::strong || is_contained())
    // A job that can signal the box's init can stop the one that counts.
    fallbacks_.trace_cpu = without(Demand::cpu, Mechanism::ptrace_clocks,
                                   is_contained() && landlock_version() < kLandlockScopes ? Rung::bounded : Rung::strong);
  fallbacks_.memory_by_rlimit = without(Demand::memory, Mechanism::rlimit_data, Rung::bounded);
  fallbacks_.processes_by_rlimit = without(Demand::processes, Mechanism::rlimit_nproc, Rung::strong);
  if (!is_contained()) return;
  fallbacks_.trace_cpu = true;  // also where a cgroup counts: the tracer's death is what kills
  fallbacks_.socket_filter = response_.evidence[static_cast<std::size_t>(Demand::network)].mechanism == Mechanism::socket_filter;
  fallbacks_.landlock = response_.evidence[static_cast<std::size_t>(Demand::filesystem)].mechanism == Mechanism::landlock;
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

  std::uint64_t outside[kNsCount] = {};
  if (!is_contained() && !read_namespaces(outside)) return failed(Step::spawn, "cannot read our own namespaces");
  pid_t pid = -1;
  MUST(is_contained() ? fork_init(pid) : clone_init(pid));
  if (pid == 0) {
    BoxPlan plan;
    plan.request = &request_;
    plan.cgroup = &cgroup_;
    plan.fallbacks = fallbacks_;
    plan.root = {image_.get(), scratch_.get(), response_.uid, response_.uid, request_.work_name};
    std::memcpy(plan.outside_ns, outside, sizeof outside);
    run_init(plan);
  }
  // Only the box writes there from now on: end of file means that it is gone.
  for (const int fd : {+kBoxStatus, +kBoxGo, +kBoxOutput, +kFdOutput}) ::close(fd);
  if ((request_.flags & kHasInput) != 0)  // else 6 and 103 are nobody's, or somebody else's
    for (const int fd : {+kBoxInput, +kFdInput}) ::close(fd);
  time_step(Step::spawn);
  return fine();
}

// In a container: no namespaces, and Docker's filter knows no clone3.
Fail Box::fork_init(pid_t& pid) {
  pid = ::fork();
  if (pid > 0) init_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return pid >= 0 && (pid == 0 || init_.valid()) ? fine() : failed(Step::spawn, "cannot fork the box's init");
}

Fail Box::clone_init(pid_t& pid) {
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
  {
    Raised up(CAP_SYS_ADMIN);
    pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  }
  if (pid < 0) return failed(Step::spawn, "cannot clone the box's init");
  if (pid > 0) init_.reset(pidfd);
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
  if (::write(go_.get(), "g", 1) != 1 && errno != EPIPE) {  // EPIPE: init has given up, and has said why
    const Fail fail = failed(Step::spawn, "cannot tell the box's init to go on");
    end_box(watched);
    return fail;
  }
  return supervise(watched, response_);
}

void Box::account() {
  Usage& usage = response_.usage;
  cgroup_.account(usage, response_.evidence);
  const auto row = [&](Demand d) -> Evidence& { return response_.evidence[static_cast<std::size_t>(d)]; };
  const auto counted = [&](Demand d, std::uint64_t value) {
    row(d).counter = value;
    row(d).known |= Evidence::kCounter;
  };
  ScratchUse use;
  if (scratch_.valid() && scratch_use(scratch_.get(), use)) {
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
  // What the job's process could not tell, nobody knows (a filter of the caller's can keep it from telling).
  if (response_.started_ns != 0 && (row(Demand::syscalls).known & Evidence::kReadBack) == 0) row(Demand::syscalls).rung = Rung::none;
  row(Demand::wall).hit = response_.verdict == Verdict::wall_limit;
  row(Demand::cpu).hit = response_.verdict == Verdict::cpu_limit;
  row(Demand::memory).hit = response_.verdict == Verdict::memory_limit;
}

// The total is exact; user and system are sampled by ticks, so the split is scaled
// to the total, as getrusage(2) does it. Without a tick the kernel knows no split.
void Box::account_cpu(std::uint64_t setup_ns, std::uint64_t traced_ns) {
  const BoxCgroup::Number cpu = fallbacks_.trace_cpu ? BoxCgroup::Number{traced_ns, traced_ns != 0} : cgroup_.cpu_ns();
  if (!cpu.ok) return;
  Usage& usage = response_.usage;
  usage.cpu_ns = cpu.value > setup_ns ? cpu.value - setup_ns : 0;
  const bool is_split = usage.cpu_user_ns != kUnknown && usage.cpu_system_ns != kUnknown;
  if (const std::uint64_t sampled = usage.cpu_user_ns + usage.cpu_system_ns; is_split && sampled != 0) {
    const double user_share = static_cast<double>(usage.cpu_user_ns) / static_cast<double>(sampled);
    usage.cpu_user_ns = static_cast<std::uint64_t>(static_cast<double>(usage.cpu_ns) * user_share);
    usage.cpu_system_ns = usage.cpu_ns - usage.cpu_user_ns;
  } else {
    usage.cpu_user_ns = usage.cpu_system_ns = kUnknown;
  }
  Evidence& row = response_.evidence[static_cast<std::size_t>(Demand::cpu)];
  row.counter = usage.cpu_ns;
  row.known |= Evidence::kCounter;
}

Fail Box::judge() {
  MUST(prepare());
  MUST(plan_evidence());
  plan_fallbacks();
  MUST(check_required());
  MUST(spawn());
  Watched watched{&request_, &cgroup_, init_.get(), status_.get(), 0, 0};
  Fail judged = watch(watched);
  if (is_contained()) {
    if (Fail swept = sweep(response_.uid); swept) judged = swept;
    response_.dead_ns = now_ns();
  }
  if (response_.dead_ns == 0) return judged;
  step_began_ = response_.dead_ns;
  account();
  account_cpu(watched.setup_cpu_ns, watched.traced_cpu_ns);
  time_step(Step::account);
  return judged;
}

// Whatever became of the run, what was made for it goes.
Fail Box::run() {
  const Fail judged = judge();
  scratch_.reset();
  step_began_ = now_ns();
  const Fail removed = cgroup_.remove();
  time_step(Step::remove);
  return judged ? judged : removed;
}

}  // namespace milonga::core
