// Attack: keeps its data in System V segments, which outlive processes
// Learned from: "Demons in the Shared Kernel" (CCS 2021); R25
// Demand: memory
// Limits: --memory 64M
// Expect: memory_limit
// Prints: ^started
// Evidence: memory_peak_bytes <= 67108864
#include <sys/shm.h>

#include "tests/attacks/attack.h"

ATTACK(system_v_segments) {
  say("started");
  for (int i = 0; i < 25; ++i) {
    const int id = shmget(IPC_PRIVATE, 8 << 20, 0600);
    void* at = shmat(id, nullptr, 0);
    if (id < 0 || at == reinterpret_cast<void*>(-1)) return;
    memset(at, 1, 8 << 20);
    shmdt(at);
  }
  attempt("its memory, by System V segments", true);
}
