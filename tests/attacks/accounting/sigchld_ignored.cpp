// Attack: ignores SIGCHLD, so that the kernel throws its children's times away
// Learned from: R35; C.5 (measured: 0.000 s reported of 0.501 s burned)
// Demand: cpu
// Expect: ok
// Prints: ^cpu: 0.3
// Accounts: 0.005
// Alone: yes
#include "tests/attacks/attack.h"

ATTACK(sigchld_ignored) {
  signal(SIGCHLD, SIG_IGN);
  in_child([] {
    burn(0.3);
    print_cpu();
  });
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  print_cpu();
}
