// Attack: the terminal of whoever called
// Learned from: R17
// Demand: visibility
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(callers_terminal) {
  attempt("a controlling terminal", open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0);
  for (int fd = 0; fd < 3; ++fd) attempt("a terminal among its descriptors", isatty(fd) == 1);
  attempt("a session that is not its own", getsid(0) == 0 || getpgrp() == 0);
  attempt("a terminal of the host", readable("/dev/pts/0") || readable("/dev/tty0"));
}
