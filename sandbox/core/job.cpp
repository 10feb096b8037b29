#include "sandbox/core/job.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <iterator>

#include "base/core/clock.h"
#include "base/core/unique_fd.h"
#include "sandbox/core/box_status.h"
#include "sandbox/core/contained.h"
#include "sandbox/core/input.h"
#include "sandbox/core/landlock.h"
#include "sandbox/core/privilege.h"
#include "sandbox/core/tracer.h"
#include "sandbox/policy/mounts.h"
#include "sandbox/policy/rlimits.h"

namespace milonga::core {
namespace {

// Never above what the caller has; read back.
Fail limit_one(const RlimitRow& row, std::uint64_t soft, std::uint64_t hard, Rlimit& in_force) {
  const auto resource = static_cast<__rlimit_resource>(row.resource);
  rlimit now{};
  if (::getrlimit(resource, &now) != 0) return failed(Step::rlimits, "cannot read a resource limit");
  rlimit wanted = now;
  if (hard < wanted.rlim_max) wanted.rlim_max = hard;
  if (soft != kNoLimit) wanted.rlim_cur = soft;
  if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
  if (::setrlimit(resource, &wanted) != 0 || ::getrlimit(resource, &now) != 0)
    return failed(Step::rlimits, "cannot lower a resource limit");
  if (now.rlim_cur != wanted.rlim_cur || now.rlim_max != wanted.rlim_max)
    return refused(Step::rlimits, "a resource limit does not read back as it was set");
  in_force = {now.rlim_cur, now.rlim_max};
  return fine();
}

// What this run has chosen for that resource, or no limit.
std::uint64_t chosen(int resource, const Limits& limits, const Fallbacks& fallbacks) {
  const auto or_none = [](std::uint64_t value) { return value == 0 ? kNoLimit : value; };
  switch (resource) {
    case RLIMIT_FSIZE:
      if (is_contained() && limits[LimitId::file_size] == 0) return limits[LimitId::disk];  // what is left of that limit
      return or_none(limits[LimitId::file_size]);
    case RLIMIT_NOFILE: return limits[LimitId::open_files];
    case RLIMIT_DATA: return fallbacks.memory_by_rlimit ? limits[LimitId::memory] : kNoLimit;
    case RLIMIT_NPROC: return fallbacks.processes_by_rlimit ? limits[LimitId::processes] : kNoLimit;
    default: return kNoLimit;
  }
}

Fail lower_rlimits(const Limits& limits, const Fallbacks& fallbacks) {
  for (std::size_t i = 0; i < kRlimitCount; ++i) {
    const RlimitRow& row = kRlimits[i];
    const std::uint64_t value = chosen(row.resource, limits, fallbacks);
    MUST(limit_one(row, value != kNoLimit ? value : row.soft, value != kNoLimit ? value : row.hard, message().inside.rlimits[i]));
  }
  return fine();
}

Fail load(const sock_filter* filter, std::uint32_t size) {
  sock_fprog program{static_cast<unsigned short>(size), const_cast<sock_filter*>(filter)};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? fine()
                                                                          : failed(Step::filter, "cannot load the system call filter");
}

// Foreign ABIs, where socket has another number, are the policy's own filter's to refuse.
Fail close_the_network() {
  static constexpr sock_filter kOnlyUnix[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return load(kOnlyUnix, std::size(kOnlyUnix));
}

// Where the box's init counts and kills as a tracer, no process gets out of its sight (clone(2), CLONE_UNTRACED). Not in
// other boxes: LeakSanitizer needs it, though not under a tracer.
Fail stay_in_sight() {
  static constexpr sock_filter kTraced[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_UNTRACED, 2, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
  };
  return load(kTraced, std::size(kTraced));
}

// What init has built is what this process, the job's first, has: capabilities, namespaces, root.
Fail look_around(const BoxPlan& plan) {
  Inside& in = message().inside;
  read_capabilities(in);
  if ((in.cap_inheritable | in.cap_permitted | in.cap_effective | in.cap_bounding | in.cap_ambient) != 0)
    return refused(Step::identity, "the job has a capability");
  if (!read_namespaces(in.ns_inode)) return failed(Step::root, "cannot read the box's namespaces");
  if (is_contained()) return fine();  // namespaces and root are the container's
  for (const Ns ns : {Ns::mnt, Ns::pid, Ns::net, Ns::ipc, Ns::uts, Ns::cgroup}) {
    if (ns == Ns::net && (plan.request->flags & kHostNetwork) != 0) continue;
    const auto i = static_cast<std::size_t>(ns);
    if (in.ns_inode[i] == plan.outside_ns[i]) return refused(Step::spawn, "a namespace of the box is the host's");
  }
  struct statfs fs {};
  if (::statfs("/", &fs) != 0 || fs.f_type != TMPFS_MAGIC || (fs.f_flags & ST_RDONLY) == 0)
    return refused(Step::root, "the box's root does not read back as it was made");
  return fine();
}

Fail load_filter(const Request& request) {
  if (request.filter_size != 0) MUST(load(request.filter, request.filter_size));
  message().inside.seccomp_mode = static_cast<std::uint32_t>(::prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
  message().inside.no_new_privs = static_cast<std::uint32_t>(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  if (message().inside.no_new_privs != 1 || (request.filter_size != 0 && message().inside.seccomp_mode != 2))
    return refused(Step::filter, "the system call filter does not read back as it was set");
  return fine();
}

// Standard input is /dev/null, output and errors are one pipe, all else is closed on exec.
Fail wire_descriptors() {
  UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null.valid() || ::dup2(null.get(), 0) != 0 || ::dup2(kBoxOutput, 1) != 1 || ::dup2(kBoxOutput, 2) != 2)
    return failed(Step::exec, "cannot connect the job's output");
  if (::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) != 0) return failed(Step::exec, "cannot close the job's descriptors");
  return fine();
}

Fail enter_work_directory(const Request& request) {
  char path[32 + kMaxWorkName];
  std::snprintf(path, sizeof path, "/home/%s/%s", kHomeName, request.work_name);
  return ::chdir(path) == 0 ? fine() : failed(Step::input, "cannot enter the job's directory");
}

// The request's strings as two arrays; counts and ends were checked in request.cpp.
void split_strings(const Request& request, const char* argv[], const char* envp[]) {
  const char* at = request.strings;
  for (std::uint32_t i = 0; i < request.argc + request.envc; ++i) {
    (i < request.argc ? argv[i] : envp[i - request.argc]) = at;
    at += std::strlen(at) + 1;
  }
  argv[request.argc] = envp[request.envc] = nullptr;
}

}  // namespace

Fail become_job(const BoxPlan& plan) {
  const Request& request = *plan.request;
  begin_step();
  for (int sig = 1; sig < NSIG; ++sig)
    if (sig != SIGKILL && sig != SIGSTOP) ::signal(sig, SIG_DFL);  // ignored signals stay ignored over exec
  ::umask(022);
  if (::setsid() != ::getpid()) return failed(Step::exec, "cannot start a session");
  MUST(enter_work_directory(request));
  if ((request.flags & kHasInput) != 0) MUST(unpack_input(kBoxInput));
  end_step(Step::input);
  MUST(wire_descriptors());
  MUST(lower_rlimits(request.limits, plan.fallbacks));
  end_step(Step::rlimits);
  if (plan.fallbacks.landlock) MUST(restrict_files());
  MUST(look_around(plan));
  const char* argv[kMaxArgs + 1];
  const char* envp[kMaxArgs + 1];
  split_strings(request, argv, envp);
  if (!plan.fallbacks.trace_cpu) message().setup_cpu_ns += now_ns(CLOCK_PROCESS_CPUTIME_ID);
  // Before the filters, one of which is the caller's: this starts the clocks.
  if (!tell(BoxEvent::ready)) return failed(Step::exec, "cannot tell that the command begins");
  if (plan.fallbacks.socket_filter) MUST(close_the_network());
  if (plan.fallbacks.trace_cpu) MUST(stay_in_sight());
  MUST(load_filter(request));
  end_step(Step::filter);
  (void)tell(BoxEvent::filtered);  // a filter of the caller's may swallow it: then the report does not know of a filter
  environ = const_cast<char**>(envp);  // execvp searches the PATH of the job's environment, in the box
  ::execvp(argv[0], const_cast<char* const*>(argv));
  return failed(Step::exec, "cannot execute the command");
}

}  // namespace milonga::core
