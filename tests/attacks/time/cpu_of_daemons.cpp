// Attack: works in orphans that nobody waits for, with SIGCHLD ignored: no rusage ever has their time
// Learned from: C.5, SIGCHLD ignored + fork (measured: 0.000 s of 0.501 s reported); R35
// Demand: cpu
// Limits: --cpu-time 1
// Expect: cpu_limit
// Prints: ^started
// Evidence: cpu_s >= 1; cpu_s <= 1.5; demands.cpu.hit == true
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(cpu_of_daemons) {
  say("started");
  signal(SIGCHLD, SIG_IGN);
  for (int i = 0; i < 10; ++i) {
    in_child([] {
      setsid();
      in_child([] { burn(0.3); });
    });
  }
  wait_for(4);
  attempt("its CPU time", true);
}
