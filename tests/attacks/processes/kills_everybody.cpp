// Attack: SIGKILL to everything that it may signal
// Learned from: B (kill by kill(-1)); C.2
// Demand: visibility
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(kills_everybody) {
  for (int i = 0; i < 5; ++i) in_child([] { wait_for(5); });
  attempt("nobody to kill", kill(-1, SIGKILL) != 0 && errno == EPERM);
  reap_all();
  attempt("a process above its own", getppid() != 1 && getppid() != 0 && kill(getppid(), 0) == 0);
}
