// Attack: pushes input into a terminal, pastes into the console, loads a line discipline
// Learned from: R17; CVE-2017-5226 (TIOCSTI), CVE-2019-10063 (only 64 bits compared), CVE-2017-2636 (n_hdlc)
// Demand: syscalls
// Expect: ok
#include <sys/ioctl.h>

#include "tests/attacks/attack.h"

ATTACK(types_into_terminals) {
  const int pty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  const char letter = 'x';
  int discipline = 13, subcode = 3;
  for (const long high : {0L, 1L << 32, -1L << 32}) {
    attempt("TIOCSTI", call(SYS_ioctl, pty, high | TIOCSTI, &letter) >= 0);
    attempt("TIOCLINUX", call(SYS_ioctl, pty, high | TIOCLINUX, &subcode) >= 0);
    attempt("TIOCSETD", call(SYS_ioctl, pty, high | TIOCSETD, &discipline) >= 0);
    for (int fd = 0; fd < 3; ++fd) attempt("TIOCSTI into its input", call(SYS_ioctl, fd, high | TIOCSTI, &letter) >= 0);
  }
  attempt("the console's output", ioctl(pty, TIOCCONS) == 0);
}
