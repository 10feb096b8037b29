// Attack: one line of 4 MiB without an end
// Learned from: readers by line
// Demand: output
// Limits: --output 64K
// Expect: ok
// Prints: end$
// Evidence: output_bytes == 4194307; output_kept_bytes == 65536
#include "tests/attacks/attack.h"

ATTACK(one_line) {
  static char block[1 << 20];
  memset(block, '#', sizeof block);
  for (int i = 0; i < 4; ++i) write(1, block, sizeof block);
  write(1, "end", 3);
}
