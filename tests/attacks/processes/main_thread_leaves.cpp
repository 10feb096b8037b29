// Attack: the first thread ends, others go on: a zombie in /proc that is alive
// Learned from: pthread_exit(3), Notes
// Demand: wall
// Limits: --wall-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: wall_s <= 1.5
#include <pthread.h>

#include "tests/attacks/attack.h"

ATTACK(main_thread_leaves) {
  say("started");
  pthread_t thread;
  pthread_create(
      &thread, nullptr, [](void*) -> void* { return wait_for(3), attempt("its wall time", true), nullptr; }, nullptr);
  pthread_exit(nullptr);
}
