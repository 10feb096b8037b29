// Attack: exits with 137, which scripts take for a kill
// Learned from: R42; moby's exit codes
// Demand: verdict
// Expect: failed
// Prints: ^Autodriver: Job exited with status 137
// Evidence: exit_code == 137; signal == null
#include "tests/attacks/attack.h"

ATTACK(exits_with_137) {
  _exit(137);
}
