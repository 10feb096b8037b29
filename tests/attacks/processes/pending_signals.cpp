// Attack: queues real-time signals without end
// Learned from: R25, RLIMIT_SIGPENDING
// Demand: processes
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(pending_signals) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  int queued = 0;
  const sigval value{};
  for (int i = 0; i < 50000; ++i)
    if (sigqueue(getpid(), SIGRTMIN, value) == 0) ++queued;
  attempt("more than 5000 queued signals", queued > 5000);
}
