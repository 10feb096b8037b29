// Attack: opens files until the kernel has no more
// Learned from: R25, RLIMIT_NOFILE
// Demand: open_files
// Expect: ok
// Evidence: demands.open_files.read_back == 1024
#include "tests/attacks/attack.h"

ATTACK(descriptors) {
  int opened = 0;
  for (int i = 0; i < 5000; ++i)
    if (dup(1) >= 0) ++opened;
  attempt("more than its open files", opened > 1024);
}
