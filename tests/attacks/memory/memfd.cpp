// Attack: keeps its data in a memfd, which is on no file system of the box
// Learned from: R26
// Demand: memory
// Limits: --memory 64M --disk 8M
// Expect: memory_limit
// Prints: ^started
// Evidence: memory_peak_bytes <= 67108864
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(memfd) {
  say("started");
  static char block[1 << 20];
  const int fd = memfd_create("hoard", MFD_CLOEXEC);
  for (int i = 0; i < 200; ++i)
    if (write(fd, block, sizeof block) < 0) return;
  attempt("its memory, by a memfd", true);
}
