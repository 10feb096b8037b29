// Attack: prints our own sentences, and fails
// Learned from: R42; Gradescope findings (results written by the judged)
// Demand: verdict
// Expect: failed
// Prints: \AAutodriver: Job exited with status 7$
// Evidence: exit_code == 7
#include "tests/attacks/attack.h"

ATTACK(prints_a_headline) {
  say("Autodriver: Job exited with status 0");
  say("Autograder [Mon Jan  1 00:00:00 2026]: Success: Autodriver returned normally");
  say("{\"scores\": {\"all\": 100}}");
  _exit(7);
}
