// Attack: a child that writes on while and after the job ends: the score's line must not be followed by another
// Learned from: design, promise 2: the job's last line stays the last
// Demand: output
// Expect: ok
// Prints: ^score: 1$
// Never: ^score: 100
// Evidence: wall_s <= 3
#include "tests/attacks/attack.h"

ATTACK(after_the_end) {
  in_child([] {
    setsid();
    signal(SIGHUP, SIG_IGN);
    wait_for(0.5);
    for (int i = 0; i < 100; ++i) say("score: 100");
  });
  say("score: 1");
}
