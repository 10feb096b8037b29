// Attack: ignores or blocks every signal that can be ignored or blocked
// Learned from: runguard's SIGTERM before its SIGKILL
// Demand: wall
// Limits: --wall-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: wall_s >= 1; wall_s <= 1.5
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(deaf_to_signals) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  for (int sig = 1; sig < NSIG; ++sig) signal(sig, SIG_IGN);
  say("started");
  wait_for(3);
  attempt("its wall time", true);
}
