// Attack: takes 50 MiB for a moment and gives them back: what is asked at the end does not show it
// Learned from: R38, R39; memory.peak
// Demand: memory
// Expect: ok
// Prints: ^given back
// Evidence: memory_peak_bytes >= 52428800; memory_peak_bytes <= 70000000; demands.memory.counter >= 52428800
#include "tests/attacks/attack.h"

ATTACK(peak_given_back) {
  const size_t size = 50u << 20;
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(block, 1, size);
  munmap(block, size);
  say("given back");
}
