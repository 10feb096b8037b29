// Attack: exits with 2 and 3, which are autodriver's own for time-out and refusal
// Learned from: Tango's autodriver: exit codes
// Demand: verdict
// Expect: failed
// Prints: ^Autodriver: Job exited with status 3
// Evidence: exit_code == 3
#include "tests/attacks/attack.h"

ATTACK(exits_like_autodriver) {
  in_child([] { _exit(2); });
  reap_all();
  _exit(3);
}
