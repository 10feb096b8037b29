// Attack: threads instead of processes
// Learned from: R41, RLIMIT_NPROC counts threads by uid, pids.max by box
// Demand: processes
// Limits: --pids 32
// Expect: ok
// Evidence: forks_refused >= 1
// Outside: nobody
#include <pthread.h>

#include "tests/attacks/attack.h"

ATTACK(thread_bomb) {
  int made = 0;
  pthread_t thread;
  for (int i = 0; i < 200; ++i)
    if (pthread_create(
            &thread, nullptr, [](void*) -> void* { return wait_for(1), nullptr; }, nullptr) == 0)
      ++made;
  attempt("more than its threads", made > 31);
}
