// Attack: writes until nothing fits
// Learned from: R26
// Demand: disk
// Limits: --disk 4M
// Expect: ok
// Evidence: demands.disk.hit == true; disk_bytes <= 4194304; demands.disk.read_back == 4194304
#include "tests/attacks/attack.h"

ATTACK(fills_the_disk) {
  static char block[1 << 16];
  memset(block, 1, sizeof block);
  const int fd = open("big", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  ssize_t written = 0;
  for (int i = 0; i < 1000; ++i)
    if (const ssize_t n = write(fd, block, sizeof block); n > 0) written += n;
  attempt("more than its disk", written > 4 << 20);
}
