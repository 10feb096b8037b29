// Attack: 200,000 writes of one byte, each of which wakes the reader
// Learned from: a reader's cost per write
// Demand: output
// Limits: --output 1K
// Expect: ok
// Prints: ^ended$
// Evidence: output_bytes >= 200000; output_kept_bytes == 1024
#include "tests/attacks/attack.h"

ATTACK(single_bytes) {
  for (int i = 0; i < 200000; ++i) write(1, "x", 1);
  say("\nended");
}
