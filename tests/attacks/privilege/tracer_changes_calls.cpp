// Attack: a tracer that puts another number into the register after the call was let through
// Learned from: seccomp before Linux 4.8 ran before ptrace; R29
// Demand: syscalls
// Expect: ok
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "tests/attacks/attack.h"

ATTACK(tracer_changes_calls) {
  const pid_t child = in_child([] {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    for (int i = 0; i < 5; ++i)
      if (call(SYS_getppid, 0, 0) == 0) say("a call gave 0");
  });
  int status = 0, changed = 0;
  waitpid(child, &status, 0);
  bool inside = false;
  while (ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0 && waitpid(child, &status, 0) == child &&
         WIFSTOPPED(status)) {
    user_regs_struct r{};
    ptrace(PTRACE_GETREGS, child, nullptr, &r);
    inside = !inside;
    if (inside && r.orig_rax == SYS_getppid) {
      r.orig_rax = SYS_unshare;
      r.rdi = CLONE_NEWUSER;
      ptrace(PTRACE_SETREGS, child, nullptr, &r);
      ++changed;
    } else if (!inside && changed > 0 && r.orig_rax == SYS_unshare) {
      attempt("a namespace by a changed call", r.rax == 0);
    }
  }
  attempt("nothing to change", changed == 0);
}
