// Attack: zero bytes, escapes that clear a terminal, invalid UTF-8, no newline anywhere
// Learned from: feedback shown in a terminal or put into JSON
// Demand: output
// Expect: ok
// Prints: contained
// Evidence: output_bytes == 25609
#include "tests/attacks/attack.h"

ATTACK(bytes_of_all_kinds) {
  char all[256];
  for (int i = 0; i < 256; ++i) all[i] = static_cast<char>(i);
  for (int i = 0; i < 100; ++i) write(1, all, sizeof all);
  write(1, "contained", 9);
}
