// Attack: writes for ever
// Learned from: pipes that nobody drains; a log that fills the disk
// Demand: output
// Limits: --output 64K --wall-time 1
// Expect: wall_limit
// Prints: ^x+
// Evidence: output_kept_bytes <= 65536; wall_s <= 1.5
#include "tests/attacks/attack.h"

ATTACK(endless_flood) {
  static char line[65536];
  memset(line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  for (const double end = now() + 3; now() < end;) write(1, line, sizeof line);
  attempt("its wall time", true);
}
