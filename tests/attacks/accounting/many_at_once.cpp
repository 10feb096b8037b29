// Attack: ten workers at once on all CPUs, of which the counters are kept apart
// Learned from: R35
// Demand: cpu
// Expect: ok
// Prints: ^cpu: 0.05
// Accounts: 0.020
// Alone: yes
#include "tests/attacks/attack.h"

ATTACK(many_at_once) {
  for (int i = 0; i < 10; ++i)
    in_child([] {
      burn(0.05);
      print_cpu();
    });
  reap_all();
  print_cpu();
}
