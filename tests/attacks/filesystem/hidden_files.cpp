// Attack: deletes its files and keeps them open: du does not see them
// Learned from: quotas that count names
// Demand: disk
// Limits: --disk 4M
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(hidden_files) {
  static char block[1 << 16];
  memset(block, 1, sizeof block);
  ssize_t written = 0;
  for (int i = 0; i < 100; ++i) {
    const int fd = open(".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    for (int k = 0; k < 4; ++k)
      if (const ssize_t n = write(fd, block, sizeof block); n > 0) written += n;
  }
  attempt("more than its disk, in files without a name", written > 4 << 20);
}
