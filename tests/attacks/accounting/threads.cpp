// Attack: four threads that end before the first
// Learned from: R35
// Demand: cpu
// Expect: ok
// Prints: ^cpu: 0.3
// Accounts: 0.005
// Alone: yes
#include <pthread.h>

#include "tests/attacks/attack.h"

ATTACK(threads) {
  pthread_t all[4];
  for (pthread_t& one : all)
    pthread_create(
        &one, nullptr, [](void*) -> void* { return burn(0.3), nullptr; }, nullptr);
  for (pthread_t& one : all) pthread_join(one, nullptr);
  print_cpu();
}
