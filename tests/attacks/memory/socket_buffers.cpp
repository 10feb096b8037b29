// Attack: keeps its data in the buffers of sockets that nobody reads
// Learned from: R25
// Demand: memory
// Limits: --memory 32M
// Expect: memory_limit
// Prints: ^started
// Evidence: memory_peak_bytes <= 33554432
#include "tests/attacks/attack.h"

ATTACK(socket_buffers) {
  say("started");
  static char block[1 << 15];
  memset(block, 1, sizeof block);
  size_t kept = 0;
  for (int i = 0; i < 500; ++i) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) break;
    for (ssize_t n; (n = write(ends[1], block, sizeof block)) > 0;) kept += static_cast<size_t>(n);
  }
  attempt("its memory, by sockets", kept > 32u << 20);
}
