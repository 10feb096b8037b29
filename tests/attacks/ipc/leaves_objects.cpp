// Attack: leaves objects of every kind that outlive processes: System V, POSIX, keys, files, locks
// Learned from: R18, R19
// Demand: kill
// Expect: ok
// Prints: ^left [1-9]
#include <mqueue.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "tests/attacks/attack.h"

ATTACK(leaves_objects) {
  int left = 0;
  for (int i = 0; i < 20; ++i) {
    left += shmget(IPC_PRIVATE, 65536, 0666 | IPC_CREAT) >= 0;
    left += msgget(IPC_PRIVATE, 0666 | IPC_CREAT) >= 0;
    left += semget(IPC_PRIVATE, 10, 0666 | IPC_CREAT) >= 0;
  }
  left += mq_open("/left", O_CREAT | O_RDWR, 0666, nullptr) >= 0;
  left += shm_open("/left", O_CREAT | O_RDWR, 0666) >= 0;
  call(SYS_add_key, "user", "left", "value", 5, -4);  // the user's keyring
  flock(open("/usr/bin/env", O_RDONLY | O_CLOEXEC), LOCK_EX | LOCK_NB);
  for (const char* directory : {"/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/run", "/home/autograde"}) {
    char path[64];
    snprintf(path, sizeof path, "%s/left", directory);
    left += open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666) >= 0;
  }
  say("left %d objects", left);
}
