// Attack: writes a claim to each number that could be a channel of the supervisor's
// Learned from: R15, R42
// Demand: verdict
// Expect: failed
// Prints: ^written to 0 others
// Evidence: exit_code == 5
#include "tests/attacks/attack.h"

ATTACK(writes_to_every_descriptor) {
  int others = 0;
  static char message[4096];
  memset(message, 1, sizeof message);
  for (int fd = 3; fd < 70000; ++fd) others += write(fd, message, sizeof message) >= 0;
  char path[64];
  for (int fd = 0; fd < 64; ++fd) {
    snprintf(path, sizeof path, "/proc/1/fd/%d", fd);
    const int there = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    attempt("a descriptor of init", there >= 0);
  }
  say("written to %d others", others);
  _exit(5);
}
