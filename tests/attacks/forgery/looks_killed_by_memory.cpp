// Attack: takes much memory within its limit and kills itself as the OOM killer would
// Learned from: R38: told apart by the counter, not by the signal
// Demand: verdict
// Limits: --memory 64M
// Expect: signaled
// Prints: ^Autodriver: Job was killed by SIGKILL
// Evidence: signal == SIGKILL; oom_kills == 0; demands.memory.hit == false
#include "tests/attacks/attack.h"

ATTACK(looks_killed_by_memory) {
  void* block = malloc(40 << 20);
  memset(block, 1, 40 << 20);
  asm volatile("" : : "r"(block) : "memory");
  raise(SIGKILL);
}
