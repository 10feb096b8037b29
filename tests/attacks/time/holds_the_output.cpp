// Attack: ends, while a child keeps its output open: a reader that waits for the end of file waits for the child
// Learned from: make jobs with background processes; Tango's ssh sessions that never closed
// Demand: kill
// Expect: ok
// Prints: ^parent ends
// Never: ^late
// Evidence: wall_s <= 2
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(holds_the_output) {
  in_child([] {
    setsid();
    wait_for(2);
    say("late");
    attempt("the end of its run", true);
  });
  say("parent ends");
}
