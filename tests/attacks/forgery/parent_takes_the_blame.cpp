// Attack: the child fails, the parent exits with 0, and the other way round: what counts is the command itself
// Learned from: R42
// Demand: verdict
// Expect: ok
// Prints: ^parent
// Evidence: exit_code == 0
#include "tests/attacks/attack.h"

ATTACK(parent_takes_the_blame) {
  in_child([] { abort(); });
  in_child([] { raise(SIGKILL); });
  reap_all();
  say("parent");
}
