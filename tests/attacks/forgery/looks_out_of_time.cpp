// Attack: dies of SIGXCPU and SIGALRM's kin, to be taken for a limit
// Learned from: R42
// Demand: verdict
// Limits: --cpu-time 10
// Expect: signaled
// Prints: ^Autodriver: Job was killed by SIGXCPU
// Evidence: signal == SIGXCPU; demands.cpu.hit == false; demands.wall.hit == false
#include "tests/attacks/attack.h"

ATTACK(looks_out_of_time) {
  raise(SIGXCPU);
}
