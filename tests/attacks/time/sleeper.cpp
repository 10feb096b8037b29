// Attack: sleeps, which no CPU limit sees
// Learned from: QDU Judger's and DMOJ's extra thread for it
// Demand: wall
// Limits: --wall-time 1 --cpu-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: stopped_by == timerfd; wall_s >= 1; wall_s <= 1.5; cpu_s <= 0.5
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(sleeper) {
  say("started");
  wait_for(3);
  attempt("its wall time", true);
}
