// Attack: prints the marker of cut output, so that whoever counts by it is wrong
// Learned from: R42
// Demand: output
// Expect: ok
// Prints: ^\.\.\.\[excess bytes elided\]\.\.\.$
// Evidence: output_bytes == 62; output_kept_bytes == 62
#include "tests/attacks/attack.h"

ATTACK(prints_the_marker) {
  for (int i = 0; i < 2; ++i) say("\n...[excess bytes elided]...\n");
  fputs("\n\n", stdout);
}
