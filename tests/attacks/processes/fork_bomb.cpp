// Attack: forks without waiting
// Learned from: the plainest one; R41
// Demand: processes
// Limits: --pids 32
// Expect: ok
// Evidence: forks_refused >= 1; processes_peak <= 33; demands.processes.hit == true
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(fork_bomb) {
  int made = 0;
  for (int i = 0; i < 200; ++i)
    if (in_child([] { wait_for(1); }) > 0) ++made;
  attempt("more than its processes", made > 31);
}
