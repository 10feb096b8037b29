// Attack: looks for processes that are not its own, by every pid, and by the pid that it knows
// Learned from: R18; C.5, pid reuse
// Demand: visibility
// Expect: ok
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(signals_strangers) {
  const pid_t known = static_cast<pid_t>(atoi(planted("pid")));
  attempt("the known process of the host", known > 0 && kill(known, 0) == 0);
  attempt("the known process of the host exists", known > 0 && (kill(known, 0) == 0 || errno == EPERM));
  attempt("a descriptor of the known process", call(SYS_pidfd_open, known, 0) >= 0);
  int seen = 0;
  for (pid_t pid = 2; pid < 100000; ++pid)
    if (pid != getpid() && pid != getpgrp() && kill(pid, 0) == 0) ++seen;
  attempt("processes that it did not start", seen > 0);
}
