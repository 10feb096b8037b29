// Attack: a call that the filter kills for, in a child; and that is not the verdict of the whole
// Learned from: R27
// Demand: verdict
// Expect: ok
// Prints: ^child: 31
// Evidence: exit_code == 0
#include "tests/attacks/attack.h"

ATTACK(dies_of_a_bad_call) {
  const pid_t pid = in_child([] { call(0x40000000 | SYS_getpid); });
  int status = 0;
  waitpid(pid, &status, 0);
  say("child: %d", WTERMSIG(status));
}
