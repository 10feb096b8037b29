// Attack: none: 300 ms of CPU time in one process, the measure for those that follow
// Learned from: R35; issue 3, exact accounting
// Demand: cpu
// Expect: ok
// Prints: ^cpu: 0.3
// Accounts: 0.005
// Alone: yes
#include "tests/attacks/attack.h"

ATTACK(plain) {
  burn(0.3);
  print_cpu();
}
