// Attack: has the kernel send signals in its name to processes of the host: SIGIO by a pipe, a lease, a timer
// Learned from: fcntl(2) F_SETOWN; sigevent(7)
// Demand: visibility
// Expect: ok
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(signals_by_files) {
  const pid_t known = static_cast<pid_t>(atoi(planted("pid")));
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return;
  attempt("a pid of the host as owner of a file",
          fcntl(ends[0], F_SETOWN, known) == 0 && fcntl(ends[0], F_GETOWN) == known);
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGTERM;
  event._sigev_un._tid = known;
  timer_t timer;
  attempt("a timer for a thread of the host", timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
}
