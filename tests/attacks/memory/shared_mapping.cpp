// Attack: anonymous shared memory, which is shmem and not anon for the kernel
// Learned from: R39, R26
// Demand: memory
// Limits: --memory 64M
// Expect: memory_limit
// Prints: ^started
// Evidence: memory_peak_bytes <= 67108864; demands.memory.hit == true
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(shared_mapping) {
  say("started");
  const size_t size = 200u << 20;
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (block != MAP_FAILED) memset(block, 1, size);
  attempt("its memory, by shared mappings", block != MAP_FAILED);
}
