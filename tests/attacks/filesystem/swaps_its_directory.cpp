// Attack: puts a link to a directory of the host in place of its own directory, while it runs
// Learned from: R1, R4; runc CVE-2021-30465
// Demand: filesystem
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(swaps_its_directory) {
  char work[400], other[500];
  if (getcwd(work, sizeof work) == nullptr) return;
  snprintf(other, sizeof other, "%s.away", work);
  int swapped = 0;
  for (int i = 0; i < 500; ++i) {
    if (rename(work, other) == 0 && symlink(planted("directory"), work) == 0) ++swapped;
    unlink(work);
    if (rename(other, work) != 0) break;
  }
  rename(work, other);
  symlink(planted("directory"), work);
  say("swapped %d times", swapped);
  attempt("the directory of the host", access(work, F_OK) == 0);
}
