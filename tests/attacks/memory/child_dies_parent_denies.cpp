// Attack: only a child runs out of memory; the parent then claims that all is well
// Learned from: R38; moby's OOMKilled beside exit code 0
// Demand: memory
// Limits: --memory 64M
// Expect: memory_limit
// Prints: ^Autodriver: Job exceeded its memory limit of 64M
// Evidence: demands.memory.hit == true; stopped_by ~ memory
#include "tests/attacks/attack.h"

ATTACK(child_dies_parent_denies) {
  const pid_t child = in_child([] {
    for (int i = 0; i < 200; ++i) {
      void* block = malloc(1 << 20);
      memset(block, 1, 1 << 20);
      asm volatile("" : : "r"(block) : "memory");
    }
  });
  waitpid(child, nullptr, 0);
  say("all is well");
}
