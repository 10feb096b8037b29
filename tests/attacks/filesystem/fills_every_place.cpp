// Attack: fills every place that it can write to: are they bounded together?
// Learned from: isolate 2.6, /dev/shm beside the quota
// Demand: disk
// Limits: --disk 4M
// Expect: ok
// Evidence: disk_bytes <= 4194304
#include "tests/attacks/attack.h"

ATTACK(fills_every_place) {
  static char block[1 << 16];
  memset(block, 1, sizeof block);
  ssize_t written = 0;
  for (const char* path : {"/tmp/a", "/var/tmp/a", "/dev/shm/a", "/home/autograde/a", "a"}) {
    const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    for (int i = 0; i < 100; ++i)
      if (const ssize_t n = write(fd, block, sizeof block); n > 0) written += n;
  }
  attempt("more than its disk, in all places together", written > 4 << 20);
}
