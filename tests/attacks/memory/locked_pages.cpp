// Attack: locks memory that the host could not take back
// Learned from: R25, RLIMIT_MEMLOCK
// Demand: memory
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(locked_pages) {
  const size_t size = 64u << 20;
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  attempt("64 MiB locked", block != MAP_FAILED && mlock(block, size) == 0);
  attempt("all locked, present and future",
          mlockall(MCL_CURRENT | MCL_FUTURE) == 0 && malloc(size) != nullptr &&
              mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}
