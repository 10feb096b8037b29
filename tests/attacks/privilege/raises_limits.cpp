// Attack: raises each of its limits again, soft and hard
// Learned from: setrlimit(2)
// Demand: privilege
// Limits: --file-size 8M --open-files 100
// Expect: ok
#include <sys/resource.h>

#include "tests/attacks/attack.h"

ATTACK(raises_limits) {
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    const auto which = static_cast<__rlimit_resource>(resource);
    rlimit before{};
    getrlimit(which, &before);
    if (before.rlim_max == RLIM_INFINITY) continue;
    const rlimit more{before.rlim_max + 1, before.rlim_max + 1}, endless{RLIM_INFINITY, RLIM_INFINITY};
    attempt("a higher limit", setrlimit(which, &more) == 0 || setrlimit(which, &endless) == 0);
    attempt("a higher limit by prlimit", prlimit(0, which, &more, nullptr) == 0);
  }
}
