// Attack: 200 children of a millisecond each, shorter than a tick
// Learned from: Tsafrir 2007: tick sampling misses short bursts
// Demand: cpu
// Expect: ok
// Prints: ^cpu: 0.0
// Accounts: 0.150
// Alone: yes
#include "tests/attacks/attack.h"

ATTACK(short_children) {
  for (int i = 0; i < 200; ++i) {
    const pid_t pid = in_child([] {
      burn(0.001);
      print_cpu();
    });
    waitpid(pid, nullptr, 0);
  }
  print_cpu();
}
