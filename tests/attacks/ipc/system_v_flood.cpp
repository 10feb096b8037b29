// Attack: fills System V queues and semaphore sets until the memory limit stops it
// Learned from: "Demons in the Shared Kernel"; ipc namespaces have limits of their own
// Demand: memory
// Limits: --memory 24M
// Expect: memory_limit
// Prints: ^started
// Evidence: memory_peak_bytes <= 25165824
#include <sys/msg.h>
#include <sys/sem.h>

#include "tests/attacks/attack.h"

ATTACK(system_v_flood) {
  say("started");
  struct {
    long type;
    char text[4000];
  } message{1, {}};
  size_t kept = 0;
  for (int i = 0; i < 4000; ++i) {
    const int queue = msgget(IPC_PRIVATE, 0600);
    while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0) kept += sizeof message.text;
  }
  for (int i = 0; i < 100; ++i)
    if (semget(IPC_PRIVATE, 1000, 0600) >= 0) kept += 1000 * 64;
  attempt("its memory, by queues of the kernel", kept > 24u << 20);
}
