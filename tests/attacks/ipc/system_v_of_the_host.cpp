// Attack: System V objects of the host, by key and by index
// Learned from: R18
// Demand: visibility
// Expect: ok
// Outside: nobody
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "tests/attacks/attack.h"

ATTACK(system_v_of_the_host) {
  const key_t key = atoi(planted("key"));
  attempt("a segment by its key", shmget(key, 0, 0) >= 0);
  attempt("a queue by its key", msgget(key, 0) >= 0);
  attempt("a semaphore by its key", semget(key, 0, 0) >= 0);
  shmid_ds segment;
  msqid_ds queue;
  for (int index = 0; index < 100; ++index) {
    attempt("a segment by its index", shmctl(index, 15 /* SHM_STAT_ANY */, &segment) >= 0);
    attempt("a queue by its index", msgctl(index, 13 /* MSG_STAT_ANY */, &queue) >= 0);
  }
  attempt("a list of segments", readable("/proc/sysvipc/shm"));
}
