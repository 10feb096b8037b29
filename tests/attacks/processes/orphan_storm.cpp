// Attack: thousands of orphans for init to reap, which a slow one would leave as zombies
// Learned from: C.5, double fork
// Demand: processes
// Limits: --pids 64
// Expect: ok
// Evidence: wall_s <= 15
#include "tests/attacks/attack.h"

ATTACK(orphan_storm) {
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    const pid_t pid = in_child([] { in_child([] {}); });
    if (pid < 0 && ++refused < 1000) wait_for(0.002);
    waitpid(pid, nullptr, 0);
  }
  wait_for(0.2);
  attempt("a box full of unreaped orphans", in_child([] {}) < 0);
}
