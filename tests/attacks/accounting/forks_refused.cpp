// Attack: 20 forks where 7 fit: each refusal must be in the report
// Learned from: issue 3, refused forks counted
// Demand: processes
// Limits: --pids 8
// Expect: ok
// Prints: ^refused 13
// Evidence: forks_refused == 13; demands.processes.counter == 13; demands.processes.read_back == 8
#include "tests/attacks/attack.h"

ATTACK(forks_refused) {
  int refused = 0;
  for (int i = 0; i < 20; ++i)
    if (in_child([] { wait_for(2); }) < 0) ++refused;
  say("refused %d", refused);
}
