// Attack: leaves its root upwards: by .., by /proc/self/root, by an open directory
// Learned from: R15; runc CVE-2024-21626 (a descriptor of the host as working directory)
// Demand: filesystem
// Expect: ok
#include <sys/vfs.h>

#include "tests/attacks/attack.h"

ATTACK(above_the_root) {
  struct stat root, up;
  stat("/", &root);
  for (const char* path : {"/..", "/../../../..", "/proc/self/root", "/proc/self/root/..", "/proc/self/cwd/../../../..",
                           "/proc/thread-self/root/.."})
    attempt(path, stat(path, &up) == 0 && (up.st_ino != root.st_ino || up.st_dev != root.st_dev));
  for (int fd = 3; fd < 1024; ++fd) attempt("an inherited descriptor", fstat(fd, &up) == 0);
  char path[64], target[300];
  for (int fd = 0; fd < 3; ++fd) {
    snprintf(path, sizeof path, "/proc/self/fd/%d/..", fd);
    attempt(path, stat(path, &up) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(path, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = '\0';
    attempt("a descriptor that leads to a file of the host",
            strncmp(target, "pipe:", 5) != 0 && strcmp(target, "/dev/null") != 0);
  }
  struct statfs fs;
  attempt("a root that is the host's disk", statfs("/", &fs) == 0 && fs.f_type != 0x01021994);  // TMPFS_MAGIC
}
