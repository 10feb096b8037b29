// Attack: asks for names that do not exist, each of which the kernel remembers
// Learned from: R25, "Demons in the Shared Kernel"
// Demand: memory
// Limits: --memory 32M
// Expect: ok memory_limit
// Prints: ^(asked|Autodriver: Job exceeded its memory limit)
// Evidence: memory_peak_bytes <= 33554432
#include "tests/attacks/attack.h"

ATTACK(negative_dentries) {
  char path[260];
  struct stat st;
  for (int i = 0; i < 200000; ++i) {
    snprintf(path, sizeof path, "/tmp/%0200d", i);
    stat(path, &st);
  }
  say("asked");
}
