// Attack: many processes, each far below the limit
// Learned from: RLIMIT_AS is one of a process (QDU Judger, DMOJ)
// Demand: memory
// Limits: --memory 64M
// Expect: memory_limit
// Prints: ^started
// Evidence: memory_peak_bytes <= 67108864; stopped_by ~ memory
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(many_small_processes) {
  say("started");
  for (int i = 0; i < 20; ++i)
    in_child([] {
      void* block = malloc(8 << 20);
      if (block == nullptr) return;
      memset(block, 1, 8 << 20);
      asm volatile("" : : "r"(block) : "memory");
      wait_for(1.5);
    });
  reap_all();
  attempt("its memory, by many processes", true);
}
