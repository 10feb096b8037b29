// Attack: leaves a daemon behind (double fork, own session, all descriptors closed), and ends at once
// Learned from: C.5, double fork / setsid / reparent
// Demand: kill
// Expect: ok
// Prints: ^left a daemon
// Evidence: wall_s <= 2; demands.kill.read_back == 0
#include "tests/attacks/attack.h"

ATTACK(daemon_stays) {
  char path[64];
  snprintf(path, sizeof path, "%s/open/daemon", planted("directory"));
  const pid_t first = in_child([&] {
    setsid();
    in_child([&] {
      close_range(0, ~0u, 0);
      wait_for(1);
      open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
      wait_for(2);
    });
  });
  waitpid(first, nullptr, 0);
  say("left a daemon");
}
