// Attack: pseudo terminals until there are none: their number is one for the whole host
// Learned from: R25, devpts max=
// Demand: processes
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(terminals) {
  int opened = 0;
  for (int i = 0; i < 500; ++i)
    if (open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0) ++opened;
  attempt("more than 16 terminals", opened > 16);
  attempt("none at all (then this says nothing)", opened == 0);
}
