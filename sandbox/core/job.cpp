#include "sandbox/core/job.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/core/clock.h"
#include "base/core/unique_fd.h"
#include "sandbox/core/box_status.h"
#include "sandbox/core/input.h"
#include "sandbox/core/privilege.h"
#include "sandbox/policy/mounts.h"

namespace milonga::core {
namespace {

Fail limit_one(__rlimit_resource resource, std::uint64_t value, std::uint64_t* read_back) {
  rlimit now{};
  if (::getrlimit(resource, &now) != 0) return failed(Step::rlimits, "cannot read a resource limit");
  const rlim_t lowered = value < now.rlim_max ? static_cast<rlim_t>(value) : now.rlim_max;
  const rlimit wanted{lowered, lowered};
  if (::setrlimit(resource, &wanted) != 0 || ::getrlimit(resource, &now) != 0 || now.rlim_max != lowered)
    return failed(Step::rlimits, "cannot lower a resource limit");
  if (read_back != nullptr) *read_back = now.rlim_cur;
  return fine();
}

Fail lower_rlimits(const Limits& limits) {
  if (limits[LimitId::file_size] != 0)
    MUST(limit_one(RLIMIT_FSIZE, limits[LimitId::file_size], &message().rlimit_file_size));
  MUST(limit_one(RLIMIT_NOFILE, limits[LimitId::open_files], &message().rlimit_open_files));
  // 1, not 0: a core_pattern that is a pipe starts its handler, as root and
  // outside of every limit, unless the limit is exactly 1 (core(5), do_coredump()).
  MUST(limit_one(RLIMIT_CORE, 1, nullptr));
  // Kernel objects that no cgroup counts ("Demons in the Shared Kernel", CCS 2021).
  MUST(limit_one(RLIMIT_MSGQUEUE, 819200, nullptr));
  MUST(limit_one(RLIMIT_SIGPENDING, 4096, nullptr));
  MUST(limit_one(RLIMIT_MEMLOCK, 8 * kMiB, nullptr));
  MUST(limit_one(RLIMIT_NICE, 0, nullptr));
  return limit_one(RLIMIT_RTPRIO, 0, nullptr);
}

Fail load_filter(const Request& request) {
  if (request.filter_size != 0) {
    sock_fprog program{static_cast<unsigned short>(request.filter_size), const_cast<sock_filter*>(request.filter)};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
      return failed(Step::filter, "cannot load the system call filter");
  }
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

Fail become_job(const Request& request) {
  begin_step();
  for (int sig = 1; sig < NSIG; ++sig)
    if (sig != SIGKILL && sig != SIGSTOP) ::signal(sig, SIG_DFL);  // ignored signals stay ignored over exec
  ::umask(022);
  if (::setsid() < 0) return failed(Step::exec, "cannot start a session");
  MUST(enter_work_directory(request));
  if ((request.flags & kHasInput) != 0) MUST(unpack_input(kBoxInput));
  end_step(Step::input);
  MUST(wire_descriptors());
  MUST(lower_rlimits(request.limits));
  end_step(Step::rlimits);
  read_capabilities(message().inside);
  const char* argv[kMaxArgs + 1];
  const char* envp[kMaxArgs + 1];
  split_strings(request, argv, envp);
  message().setup_cpu_ns += now_ns(CLOCK_PROCESS_CPUTIME_ID);
  tell(BoxEvent::ready);  // before the filter, which is the caller's: this starts the clocks
  MUST(load_filter(request));
  end_step(Step::filter);
  tell(BoxEvent::filtered);
  environ = const_cast<char**>(envp);  // execvp searches the PATH of the job's environment, in the box
  ::execvp(argv[0], const_cast<char* const*>(argv));
  return failed(Step::exec, "cannot execute the command");
}

}  // namespace milonga::core
