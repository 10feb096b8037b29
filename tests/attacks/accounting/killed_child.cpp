// Attack: lets its worker be killed before it could be asked
// Learned from: R35; wait4(2): rusage of the killed
// Demand: cpu
// Expect: ok
// Prints: ^cpu: 0.2
// Accounts: 0.005
// Alone: yes
#include "tests/attacks/attack.h"

ATTACK(killed_child) {
  int ends[2];
  if (pipe(ends) != 0) return;
  const pid_t child = in_child([&] {
    burn(0.2);
    print_cpu();
    write(ends[1], "x", 1);
    wait_for(5);
  });
  char byte;
  read(ends[0], &byte, 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  print_cpu();
}
