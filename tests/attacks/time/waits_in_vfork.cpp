// Attack: sits in vfork(2), where the parent sleeps in the kernel until the child has ended
// Learned from: state D of a parent in vfork
// Demand: wall
// Limits: --wall-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: wall_s >= 1; wall_s <= 1.5
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(waits_in_vfork) {
  say("started");
  const pid_t pid = vfork();
  if (pid == 0) {
    const timespec three{3, 0};
    nanosleep(&three, nullptr);
    _exit(0);
  }
  attempt("its wall time", pid > 0);
}
