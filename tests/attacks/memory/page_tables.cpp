// Attack: touches one byte in each 2 MiB of a huge mapping: the zero page costs nothing, its page tables do
// Learned from: R25; memory of the kernel on behalf of a process
// Demand: memory
// Limits: --memory 32M
// Expect: memory_limit
// Prints: ^started
// Evidence: memory_peak_bytes <= 33554432
#include "tests/attacks/attack.h"

ATTACK(page_tables) {
  say("started");
  const size_t step = 2u << 20, count = 20000;
  char* base =
      static_cast<char*>(mmap(nullptr, step * count, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (base == MAP_FAILED) return;
  madvise(base, step * count, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < count; ++i) asm volatile("" : : "r"(*static_cast<volatile char*>(base + i * step)));
  attempt("its memory, by page tables", true);
}
