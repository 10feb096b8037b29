// Attack: POSIX timers without end: kernel memory that no cgroup counted for long
// Learned from: R25, RLIMIT_SIGPENDING bounds them
// Demand: processes
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(timers) {
  int made = 0;
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  for (int i = 0; i < 20000; ++i) {
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) ++made;
  }
  attempt("more than 5000 timers", made > 5000);
}
