// Attack: huge pages, which cgroup v1's memory controller does not count
// Learned from: cgroups(7), hugetlb is a controller of its own
// Demand: memory
// Limits: --memory 64M
// Expect: ok memory_limit
// Prints: ^(contained|started)
#include "tests/attacks/attack.h"

ATTACK(huge_pages) {
  say("started");
  size_t got = 0;
  for (int i = 0; i < 64; ++i) {
    void* block = mmap(nullptr, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (block == MAP_FAILED) break;
    got += 2 << 20;
  }
  attempt("more huge pages than its memory", got > 64u << 20);
  attempt("a file of huge pages", call(SYS_memfd_create, "huge", MFD_HUGETLB) >= 0 && got > 64u << 20);
}
