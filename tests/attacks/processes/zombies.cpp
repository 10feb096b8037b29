// Attack: ends its children and never takes their status: each still holds a pid
// Learned from: R25
// Demand: processes
// Limits: --pids 32
// Expect: ok
// Evidence: forks_refused >= 1
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(zombies) {
  int made = 0;
  for (int i = 0; i < 300; ++i)
    if (in_child([] {}) > 0) ++made;
  attempt("more zombies than processes", made > 31);
}
