// Attack: the classic way out of a chroot: a second one, then ..
// Learned from: chroot(2), Notes
// Demand: privilege
// Expect: ok
// Outside: userns
#include "tests/attacks/attack.h"

ATTACK(second_chroot) {
  mkdir("/tmp/prison", 0755);
  const int here = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  attempt("chroot", chroot("/tmp/prison") == 0);
  fchdir(here);
  rmdir("/tmp/prison");
}
