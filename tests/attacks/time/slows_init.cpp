// Attack: gives the box's init, which has its uid, the lowest priority, and takes all CPUs, to delay its end
// Learned from: setpriority(2), sched_setscheduler(2): the same uid is enough
// Demand: wall
// Limits: --wall-time 2
// Expect: wall_limit
// Prints: ^started
// Evidence: wall_s >= 2; wall_s <= 3
#include <sched.h>
#include <sys/resource.h>

#include "tests/attacks/attack.h"

ATTACK(slows_init) {
  const sched_param none{};
  sched_setscheduler(1, SCHED_IDLE, &none);
  setpriority(PRIO_PROCESS, 1, 19);
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  sched_setaffinity(1, sizeof first, &first);
  for (int i = 0; i < 8; ++i)
    in_child([] {
      for (const double end = now() + 5; now() < end;) {
      }
    });
  say("started");
  wait_for(5);
  attempt("its wall time", true);
}
