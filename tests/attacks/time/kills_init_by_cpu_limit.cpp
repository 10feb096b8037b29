// Attack: gives the box's init a limit on its CPU time (prlimit(2) asks for the same uid only) and lets it reap until
//   the kernel kills it: a box without init ends without a verdict, and is then run again
// Learned from: found while these cases were written
// Demand: verdict
// Limits: --wall-time 30 --cpu-time 60
// Expect: ok
#include <sys/resource.h>

#include "tests/attacks/attack.h"

ATTACK(kills_init_by_cpu_limit) {
  const rlimit second{0, 0};
  const bool set = prlimit(1, RLIMIT_CPU, &second, nullptr) == 0;
  attempt("a limit on init", set);
  if (!set) return;
  const double end = now() + 20;
  for (int branch = 0; branch < 4; ++branch)
    in_child([end] {
      for (int i = 0; i < 200000 && now() < end; ++i) {
        const pid_t pid = fork();
        if (pid == 0) {
          if (fork() == 0) _exit(0);
          _exit(0);
        }
        waitpid(pid, nullptr, 0);
      }
    });
  reap_all();
  say("init lives");
}
