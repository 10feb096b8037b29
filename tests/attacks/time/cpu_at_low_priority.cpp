// Attack: works as SCHED_IDLE and nice 19, which ticks may not see
// Learned from: Tsafrir 2007; CVE-2007-3720
// Demand: cpu
// Limits: --cpu-time 1
// Expect: cpu_limit
// Prints: ^started
// Evidence: cpu_s >= 1; cpu_s <= 1.5
#include <sched.h>
#include <sys/resource.h>

#include "tests/attacks/attack.h"

ATTACK(cpu_at_low_priority) {
  say("started");
  setpriority(PRIO_PROCESS, 0, 19);
  const sched_param none{};
  sched_setscheduler(0, SCHED_IDLE, &none);
  burn(3);
  attempt("its CPU time", true);
}
