// Attack: asks the kernel's OOM killer to take others instead
// Learned from: benchexec#1098/#1099; proc(5), oom_score_adj
// Demand: privilege
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(spares_itself) {
  for (const char* path : {"/proc/self/oom_score_adj", "/proc/self/oom_adj"}) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    attempt("a lower OOM score", fd >= 0 && write(fd, "-1000", 5) == 5);
  }
  attempt("the OOM score of init", writable("/proc/1/oom_score_adj"));
  attempt("a process beyond OOM kills", call(SYS_process_mrelease, 0, 0) >= 0);
}
