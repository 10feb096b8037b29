// Attack: lets the kernel do the work: random numbers, by large reads
// Learned from: QDU Judger reports ru_utime only: system time is free
// Demand: cpu
// Limits: --cpu-time 1
// Expect: cpu_limit
// Prints: ^started
// Evidence: cpu_s >= 1; cpu_s <= 1.5
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(cpu_in_the_kernel) {
  say("started");
  static char block[1 << 20];
  const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  for (const double end = now() + 4; now() < end;)
    if (read(fd, block, sizeof block) < 0) break;
  attempt("its CPU time", true);
}
