// Attack: crashes with core dumps on, so that the host runs its handler, or a file is left
// Learned from: R23; CVE-2022-4415; Houdini's Escape (CCS 2019)
// Demand: verdict
// Expect: signaled
// Prints: ^crashing
// Evidence: signal == SIGSEGV; disk_bytes <= 8000000
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/attacks/attack.h"

ATTACK(dumps_core) {
  const rlimit endless{RLIM_INFINITY, RLIM_INFINITY};
  attempt("core dumps", setrlimit(RLIMIT_CORE, &endless) == 0);
  rlimit core{};
  getrlimit(RLIMIT_CORE, &core);
  attempt("a core limit above 1", core.rlim_max > 1);
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  const pid_t child = in_child([] { raise(SIGABRT); });
  int status = 0;
  waitpid(child, &status, 0);
  attempt("a core dump", WCOREDUMP(status) && access("core", F_OK) == 0);
  say("crashing");
  raise(SIGSEGV);
}
