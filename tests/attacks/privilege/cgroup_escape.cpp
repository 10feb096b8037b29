// Attack: moves itself to another cgroup, mounts them, asks systemd to
// Learned from: R36; benchexec#1074; runc CVE-2023-25809
// Demand: privilege
// Expect: ok
// Outside: userns
#include "tests/attacks/attack.h"

ATTACK(cgroup_escape) {
  for (const char* path :
       {"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/tasks", "/sys/fs/cgroup/unified/cgroup.procs",
        "/sys/fs/cgroup/cgroup.kill", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
    attempt(path, readable(path) || writable(path));
  for (const char* path : {"/run/systemd/private", "/run/dbus/system_bus_socket", "/run/user/0/bus", "/run/docker.sock",
                           "/run/containerd/containerd.sock", "/var/run/docker.sock"})
    attempt(path, access(path, F_OK) == 0);
  FILE* file = fopen("/proc/self/cgroup", "re");
  char line[300];
  while (file != nullptr && fgets(line, sizeof line, file) != nullptr) {
    const char* path = strrchr(line, ':');
    attempt("the name of its cgroup", path != nullptr && strncmp(path, ":/..", 4) == 0);
    attempt("the cgroup of others", path != nullptr && strstr(path, "box-") != nullptr);
  }
}
