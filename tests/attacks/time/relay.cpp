// Attack: a chain of processes, each of which lives for a moment: whoever kills pid by pid comes too late
// Learned from: C.5, fork race with kill
// Demand: kill
// Limits: --wall-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: wall_s <= 1.5; demands.kill.read_back == 0
#include "tests/attacks/attack.h"

ATTACK(relay) {
  say("started");
  const double end = now() + 3;
  for (int branch = 0; branch < 4; ++branch) {
    in_child([end] {
      for (int i = 0; i < 20000 && now() < end; ++i)
        if (fork() > 0) _exit(0);
    });
  }
  wait_for(3);
  attempt("its wall time", true);
}
