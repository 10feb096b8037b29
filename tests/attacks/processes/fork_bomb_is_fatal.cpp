// Attack: forks without end, where that ends the run
// Learned from: docs/report.md, --pids-fatal
// Demand: processes
// Limits: --pids 16 --pids-fatal
// Expect: process_limit
// Prints: ^Autodriver: Job exceeded its process limit of 16
// Evidence: forks_refused >= 1; stopped_by ~ pids.max
#include "tests/attacks/attack.h"

ATTACK(fork_bomb_is_fatal) {
  for (int i = 0; i < 100; ++i) in_child([] { wait_for(0.5); });
  reap_all();
}
