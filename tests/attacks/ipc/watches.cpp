// Attack: inotify instances and watches on the system's files, which the kernel counts per user
// Learned from: R25
// Demand: processes
// Limits: --memory 64M
// Expect: ok memory_limit
// Prints: ^(contained|started)
// Evidence: memory_peak_bytes <= 67108864
#include <sys/inotify.h>

#include "tests/attacks/attack.h"

ATTACK(watches) {
  say("started");
  int instances = 0;
  for (int i = 0; i < 2000; ++i)
    if (inotify_init1(IN_CLOEXEC) >= 0) ++instances;
  attempt("more instances than open files", instances > 1024);
}
