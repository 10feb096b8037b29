// Attack: closes all its descriptors and goes on: an end of file on the output is not the end of the job
// Learned from: supervisors that wait for EOF
// Demand: verdict
// Limits: --wall-time 5
// Expect: failed
// Prints: ^Autodriver: Job exited with status 9
// Evidence: exit_code == 9; wall_s >= 0.3
#include "tests/attacks/attack.h"

ATTACK(closes_everything) {
  close_range(0, ~0u, 0);
  wait_for(0.3);
  _exit(9);
}
