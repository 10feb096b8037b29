// Attack: files that only root may read, and those of Milonga itself
// Learned from: R6; snap-confine CVE-2021-44730
// Demand: filesystem
// Expect: ok
// Outside: userns
#include "tests/attacks/attack.h"

ATTACK(secrets_of_the_host) {
  for (const char* path : {"/etc/shadow",
                           "/etc/gshadow",
                           "/etc/sudoers",
                           "/root",
                           "/root/.bashrc",
                           "/root/.ssh",
                           "/run/milonga",
                           "/var/spool",
                           "/var/spool/milonga",
                           "/var/lib/milonga",
                           "/etc/milonga/core",
                           "/var/log",
                           "/var/lib/dpkg",
                           "/boot",
                           "/proc/kcore",
                           "/proc/kallsyms",
                           "/proc/sys",
                           "/sys",
                           "/sys/fs/cgroup",
                           "/etc/ssh/ssh_host_rsa_key",
                           "/etc/ssh/ssh_host_ed25519_key"})
    attempt(path, readable(path));
}
