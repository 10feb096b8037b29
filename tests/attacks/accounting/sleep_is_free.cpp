// Attack: none: half a second of sleep is no CPU time
// Learned from: a report that takes wall for CPU time
// Demand: cpu
// Expect: ok
// Prints: ^slept
// Evidence: wall_s >= 0.5; cpu_s <= 0.05
#include "tests/attacks/attack.h"

ATTACK(sleep_is_free) {
  wait_for(0.5);
  say("slept");
}
