// Attack: every signal to the box's init
// Learned from: pid_namespaces(7): init takes only those that it has a handler for
// Demand: kill
// Expect: ok
// Evidence: wall_s <= 5
#include "tests/attacks/attack.h"

ATTACK(stops_init) {
  for (int sig = 1; sig < NSIG; ++sig) {
    kill(1, sig);
    call(SYS_tkill, 1, sig);
    const sigval value{};
    sigqueue(1, sig, value);
  }
  const pid_t orphan = in_child([] { in_child([] { wait_for(0.2); }); });
  waitpid(orphan, nullptr, 0);
  wait_for(0.3);
  attempt("a box without init", kill(1, 0) != 0 && errno == ESRCH);
}
