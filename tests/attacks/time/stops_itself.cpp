// Attack: stops itself, so that a supervisor that takes stopped for ended lets it go
// Learned from: C.5, QDU Judger's WSTOPPED
// Demand: wall
// Limits: --wall-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: wall_s >= 1; wall_s <= 1.5
#include "tests/attacks/attack.h"

ATTACK(stops_itself) {
  say("started");
  in_child([] {  // in case that nobody else ends it
    wait_for(3);
    kill(getppid(), SIGCONT);
  });
  raise(SIGSTOP);
  attempt("its wall time", true);
}
