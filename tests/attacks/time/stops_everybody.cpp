// Attack: stops every process that it can see, init and supervisor included if it could
// Learned from: C.2, the caller of a setuid program can stop it
// Demand: wall
// Limits: --wall-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: wall_s >= 1; wall_s <= 1.5
#include "tests/attacks/attack.h"

ATTACK(stops_everybody) {
  for (int i = 0; i < 8; ++i) in_child([] { wait_for(4); });
  kill(-1, SIGSTOP);
  for (int pid = 1; pid < 300; ++pid)
    if (pid != getpid()) kill(pid, SIGSTOP);
  say("started");
  wait_for(3);
  attempt("its wall time", true);
}
