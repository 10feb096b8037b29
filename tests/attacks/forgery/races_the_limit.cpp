// Attack: exits with 0 at the very moment of the limit: one verdict, and the one that the clock says
// Learned from: design, section 2: the first limit crossed wins
// Demand: verdict
// Limits: --wall-time 0.3
// Expect: ok wall_limit
// Prints: ^started
// Evidence: wall_s <= 0.8
#include "tests/attacks/attack.h"

ATTACK(races_the_limit) {
  say("started");
  wait_for(0.2995);
}
