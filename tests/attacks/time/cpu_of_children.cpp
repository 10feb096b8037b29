// Attack: spreads its work over many processes, so that none of them reaches the limit
// Learned from: RLIMIT_CPU is one of a process; R35
// Demand: cpu
// Limits: --cpu-time 1
// Expect: cpu_limit
// Prints: ^started
// Evidence: cpu_s >= 1; cpu_s <= 1.5; stopped_by ~ cgroup; demands.cpu.hit == true
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(cpu_of_children) {
  say("started");
  for (int i = 0; i < 20; ++i) in_child([] { burn(0.15); });
  reap_all();
  attempt("its CPU time", true);
}
