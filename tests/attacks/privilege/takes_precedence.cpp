// Attack: real-time scheduling, negative nice, real-time i/o, processors
// Learned from: R25 (NICE, RTPRIO)
// Demand: privilege
// Expect: ok
#include <sched.h>
#include <sys/resource.h>

#include "tests/attacks/attack.h"

ATTACK(takes_precedence) {
  const sched_param first{1};
  attempt("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &first) == 0);
  attempt("SCHED_RR", sched_setscheduler(0, SCHED_RR, &first) == 0);
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes{48, 6 /* SCHED_DEADLINE */, 0, 0, 0, 1000000, 10000000, 10000000};
  attempt("SCHED_DEADLINE", call(SYS_sched_setattr, 0, &attributes, 0) == 0);
  attempt("a negative nice", setpriority(PRIO_PROCESS, 0, -20) == 0);
  attempt("the real-time class of i/o", call(SYS_ioprio_set, 1, 0, 1 << 13) == 0);
  attempt("a CPU latency request", writable("/dev/cpu_dma_latency"));
}
