// Attack: spreads its work over threads
// Learned from: R35
// Demand: cpu
// Limits: --cpu-time 1
// Expect: cpu_limit
// Prints: ^started
// Evidence: cpu_s >= 1; cpu_s <= 1.5; demands.cpu.hit == true
// Outside: nobody
#include <pthread.h>

#include "tests/attacks/attack.h"

ATTACK(cpu_of_threads) {
  say("started");
  pthread_t threads[4];
  for (pthread_t& one : threads)
    pthread_create(
        &one, nullptr, [](void*) -> void* { return burn(2.5), nullptr; }, nullptr);
  for (pthread_t& one : threads) pthread_join(one, nullptr);
  attempt("its CPU time", true);
}
