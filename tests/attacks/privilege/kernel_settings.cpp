// Attack: settings of the kernel below /proc and /sys, and the magic system request
// Learned from: R22; runc CVE-2025-52881 (procfs writes redirected)
// Demand: privilege
// Expect: ok
// Outside: userns
#include "tests/attacks/attack.h"

ATTACK(kernel_settings) {
  for (const char* path : {"/proc/sys/kernel/core_pattern",
                           "/proc/sys/kernel/modprobe",
                           "/proc/sys/kernel/hostname",
                           "/proc/sys/vm/drop_caches",
                           "/proc/sys/fs/binfmt_misc/register",
                           "/proc/sysrq-trigger",
                           "/proc/self/loginuid",
                           "/proc/self/uid_map",
                           "/proc/self/setgroups",
                           "/proc/self/sched",
                           "/sys/kernel/uevent_helper",
                           "/sys/power/state",
                           "/sys/fs/cgroup/release_agent",
                           "/sys/kernel/mm/transparent_hugepage/enabled",
                           "/proc/irq/0/smp_affinity",
                           "/proc/mtrr",
                           "/proc/acpi",
                           "/proc/timer_list",
                           "/proc/sched_debug",
                           "/proc/keys",
                           "/proc/key-users",
                           "/proc/modules",
                           "/proc/cmdline",
                           "/proc/version",
                           "/proc/mounts",
                           "/proc/config.gz",
                           "/proc/kpagecount"}) {
    const bool own = strncmp(path, "/proc/self/", 11) == 0;
    if (strcmp(path, "/proc/mounts") == 0) continue;  // a link to its own
    attempt(path, own ? false : writable(path) || readable(path));
  }
  const int map = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
  attempt("a map of ids", map >= 0 && write(map, "0 0 1", 5) == 5);
}
