// Attack: a flood of its own timer signals, each handled, to starve whoever measures
// Learned from: Tsafrir 2007
// Demand: wall
// Limits: --wall-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: wall_s >= 1; wall_s <= 1.5
#include <sys/time.h>

#include "tests/attacks/attack.h"

ATTACK(timer_signals) {
  signal(SIGVTALRM, [](int) {});
  signal(SIGPROF, [](int) {});
  itimerval every{};
  every.it_interval.tv_usec = every.it_value.tv_usec = 1;
  setitimer(ITIMER_VIRTUAL, &every, nullptr);
  setitimer(ITIMER_PROF, &every, nullptr);
  say("started");
  for (const double end = now() + 3; now() < end;) {
  }
  attempt("its wall time", true);
}
