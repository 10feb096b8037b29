// Attack: computes for ever
// Learned from: the plainest one; C.5 (NTP step): the limit is one of CLOCK_MONOTONIC
// Demand: wall
// Limits: --wall-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: stopped_by == timerfd; wall_s >= 1; wall_s <= 1.5; demands.wall.hit == true
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(busy_loop) {
  say("started");
  for (const double end = now() + 3; now() < end;) {
  }
  attempt("its wall time", true);
}
