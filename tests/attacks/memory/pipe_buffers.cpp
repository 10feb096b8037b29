// Attack: keeps its data in pipes: memory of the kernel, not of a process
// Learned from: R25
// Demand: memory
// Limits: --memory 16M
// Expect: memory_limit
// Prints: ^started
// Evidence: memory_peak_bytes <= 16777216
#include "tests/attacks/attack.h"

ATTACK(pipe_buffers) {
  say("started");
  static char block[1 << 16];
  memset(block, 1, sizeof block);
  size_t kept = 0;
  for (int process = 0; process < 4; ++process)
    in_child([&kept] {
      for (int i = 0; i < 400; ++i) {
        int ends[2];
        if (pipe2(ends, O_NONBLOCK) != 0) break;
        for (ssize_t n; (n = write(ends[1], block, sizeof block)) > 0;) kept += static_cast<size_t>(n);
      }
      attempt("its memory, by pipes", kept > 16u << 20);
      wait_for(1);
    });
  reap_all();
}
