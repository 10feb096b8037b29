// Attack: allocates and touches without end
// Learned from: the plainest one; R38 (a fresh group, told apart from other kills)
// Demand: memory
// Limits: --memory 64M
// Expect: memory_limit
// Prints: ^started
// Evidence: memory_peak_bytes >= 60000000; memory_peak_bytes <= 67108864; demands.memory.hit == true
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(heap) {
  say("started");
  for (int i = 0; i < 200; ++i) {
    void* block = malloc(1 << 20);
    if (block == nullptr) break;
    memset(block, i + 1, 1 << 20);
    asm volatile("" : : "r"(block) : "memory");
  }
  attempt("its memory, by malloc", true);
}
