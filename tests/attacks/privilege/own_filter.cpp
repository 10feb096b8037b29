// Attack: loads filters of its own that allow, notify or trace, to outvote the box's
// Learned from: seccomp(2): the most restrictive answer wins
// Demand: syscalls
// Expect: ok
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>

#include "tests/attacks/attack.h"

ATTACK(own_filter) {
  for (const unsigned answer : {SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF}) {
    const pid_t child = in_child([answer] {
      sock_filter program[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                               {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_unshare},
                               {BPF_RET | BPF_K, 0, 0, answer},
                               {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
      sock_fprog all{4, program};
      const unsigned flags = answer == SECCOMP_RET_USER_NOTIF ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &all);
      attempt("a namespace past the filter", unshare(CLONE_NEWUSER) == 0);
    });
    waitpid(child, nullptr, 0);
  }
  attempt("the filter off", prctl(PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, nullptr) == 0 || prctl(PR_GET_SECCOMP) == 0);
  attempt("the box's filter, read", ({
            char buffer[4096];
            call(SYS_ptrace, 0x420c /* PTRACE_SECCOMP_GET_FILTER */, 1, 0, buffer) >= 0;
          }));
}
