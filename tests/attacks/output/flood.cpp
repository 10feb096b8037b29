// Attack: 64 MiB of output where 1 MiB is kept
// Learned from: R14 of docs/threat-model.md; runguard's output-truncated
// Demand: output
// Limits: --output 1M
// Expect: ok
// Prints: ^the last line$
// Evidence: output_bytes == 67108878; output_kept_bytes == 1048576; demands.output.hit == true
#include "tests/attacks/attack.h"

ATTACK(flood) {
  static char line[65536];
  memset(line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  for (int i = 0; i < 1024; ++i) write(1, line, sizeof line);
  say("the last line");
}
