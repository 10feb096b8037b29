// Attack: sets the host's clocks, which all boxes share
// Learned from: C.5, NTP step
// Demand: privilege
// Expect: ok
#include <sys/time.h>
#include <sys/timex.h>

#include "tests/attacks/attack.h"

ATTACK(sets_the_clock) {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  attempt("CLOCK_REALTIME", clock_settime(CLOCK_REALTIME, &t) == 0);
  const timeval tv{t.tv_sec, 0};
  attempt("the time of day", settimeofday(&tv, nullptr) == 0);
  timex tx{};
  tx.modes = ADJ_TICK;
  tx.tick = 10000;
  attempt("the clock's tick", adjtimex(&tx) >= 0);
  attempt("the clock's tick, by clock_adjtime", clock_adjtime(CLOCK_REALTIME, &tx) >= 0);
}
