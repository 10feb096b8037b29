// Attack: works in a grandchild whose parent has gone: no wait4 of the job's processes ever sees its time
// Learned from: R35; C.5, double fork
// Demand: cpu
// Expect: ok
// Prints: ^cpu: 0.3
// Accounts: 0.005
// Alone: yes
#include "tests/attacks/attack.h"

ATTACK(double_fork) {
  int ends[2];
  if (pipe(ends) != 0) return;
  const pid_t child = in_child([&] {
    setsid();
    in_child([&] {
      close(ends[0]);
      burn(0.3);
      print_cpu();
    });
    print_cpu();
  });
  waitpid(child, nullptr, 0);
  close(ends[1]);
  char byte;
  while (read(ends[0], &byte, 1) > 0) {
  }
  print_cpu();
}
