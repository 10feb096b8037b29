// Attack: clones by the plain system call, with all that is shared between them, and clone3
// Learned from: R31, clone3's flags are behind a pointer
// Demand: processes
// Limits: --pids 32
// Expect: ok
// Evidence: forks_refused >= 1
#include <sched.h>

#include "tests/attacks/attack.h"

ATTACK(raw_clones) {
  int made = 0;
  for (int i = 0; i < 100; ++i) {
    const long pid = call(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
      wait_for(1);
      _exit(0);
    }
    if (pid > 0) ++made;
  }
  attempt("more than its processes, by clone", made > 31);
  struct {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
  } arguments = {};
  arguments.exit_signal = SIGCHLD;
  const long pid = call(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) _exit(0);
  attempt("a clone3", pid > 0);
}
