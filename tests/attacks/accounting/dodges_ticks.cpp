// Attack: works for half a millisecond and sleeps for a whole one, all the time
// Learned from: Tsafrir 2007; CVE-2007-3720
// Demand: cpu
// Expect: ok
// Prints: ^cpu: 0.[12]
// Accounts: 0.005
// Alone: yes
#include "tests/attacks/attack.h"

ATTACK(dodges_ticks) {
  for (int i = 1; i <= 300; ++i) {
    burn(0.0005 * i);
    wait_for(0.001);
  }
  print_cpu();
}
