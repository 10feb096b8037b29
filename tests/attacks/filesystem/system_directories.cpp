// Attack: writes to the system's directories, its own root and /proc
// Learned from: R7 of docs/threat-model.md; runc masked paths
// Demand: filesystem
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(system_directories) {
  for (const char* directory :
       {"/",        "/usr", "/usr/bin", "/usr/lib", "/bin",  "/lib", "/lib64", "/etc",  "/opt",  "/dev",
        "/dev/pts", "/var", "/run",     "/proc",    "/home", "/sys", "/mnt",   "/root", "/boot", "/srv"})
    attempt(directory, can_create_in(directory));
  for (const char* file :
       {"/etc/passwd", "/etc/group", "/etc/ld.so.cache", "/etc/hosts", "/usr/bin/env", "/usr/bin/make"})
    attempt(file, writable(file) || chmod(file, 0777) == 0 || truncate(file, 0) == 0);
}
