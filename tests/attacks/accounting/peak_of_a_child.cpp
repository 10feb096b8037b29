// Attack: takes 50 MiB in a grandchild that nobody waits for
// Learned from: ru_maxrss is one of waited children
// Demand: memory
// Expect: ok
// Prints: ^given back
// Evidence: memory_peak_bytes >= 52428800
#include "tests/attacks/attack.h"

ATTACK(peak_of_a_child) {
  signal(SIGCHLD, SIG_IGN);
  in_child([] {
    const size_t size = 50u << 20;
    void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(block, 1, size);
  });
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  say("given back");
}
