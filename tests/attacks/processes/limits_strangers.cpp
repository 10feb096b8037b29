// Attack: changes limits, priorities and processors of processes that are not its own
// Learned from: the case kills_init_by_cpu_limit
// Demand: privilege
// Expect: ok
#include <sys/resource.h>

#include "tests/attacks/attack.h"

ATTACK(limits_strangers) {
  rlimit limit{};
  const pid_t known = static_cast<pid_t>(atoi(planted("pid")));
  for (const pid_t pid : {1, static_cast<int>(known)})
    for (int resource = 0; resource < RLIM_NLIMITS; ++resource)
      attempt("a limit of another process",
              prlimit(pid, static_cast<__rlimit_resource>(resource), nullptr, &limit) == 0);
  attempt("the priority of the known process", setpriority(PRIO_PROCESS, static_cast<id_t>(known), 19) == 0);
}
