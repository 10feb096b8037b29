// Attack: traces the box's init, which has its uid and holds the pipe on which the verdict is told
// Learned from: R10; bubblewrap CVE-2026-41163, CVE-2016-8659
// Demand: verdict
// Expect: ok
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "tests/attacks/attack.h"

ATTACK(traces_init) {
  for (const pid_t pid : {1, static_cast<int>(getppid())}) {
    if (pid == 0) continue;
    attempt("PTRACE_ATTACH", ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) == 0);
    attempt("PTRACE_SEIZE", ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0);
    char there[8];
    iovec local{there, sizeof there}, remote{reinterpret_cast<void*>(0x400000), sizeof there};
    process_vm_readv(pid, &local, 1, &remote, 1, 0);
    attempt("process_vm_readv", errno != EPERM && errno != ESRCH);
    const long pidfd = call(SYS_pidfd_open, pid, 0);
    for (int fd = 0; fd < 20; ++fd) attempt("pidfd_getfd", call(SYS_pidfd_getfd, pidfd, fd, 0) >= 0);
    attempt("kcmp", call(SYS_kcmp, pid, getpid(), 0, 0, 0) >= 0);
    attempt("process_madvise", call(SYS_process_madvise, pidfd, &local, 1, MADV_COLD, 0) >= 0);
  }
  attempt("init's memory", readable("/proc/1/mem") || writable("/proc/1/mem"));
  attempt("init's descriptors", readable("/proc/1/fd"));
}
