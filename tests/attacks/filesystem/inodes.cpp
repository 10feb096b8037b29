// Attack: a million empty files
// Learned from: R25, R26
// Demand: inodes
// Limits: --inodes 1000
// Expect: ok
// Evidence: demands.inodes.hit == true; inodes <= 1000
#include "tests/attacks/attack.h"

ATTACK(inodes) {
  int made = 0;
  char name[32];
  for (int i = 0; i < 20000; ++i) {
    snprintf(name, sizeof name, "/tmp/%d", i);
    const int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) continue;
    ++made;
    close(fd);
  }
  attempt("more than its files", made > 1000);
}
