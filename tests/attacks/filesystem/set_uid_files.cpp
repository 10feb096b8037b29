// Attack: makes set-uid and set-gid files of its own, and looks for mounts where they would count
// Learned from: util-linux CVE-2026-53614 (nosuid dropped)
// Demand: privilege
// Expect: ok
#include <sys/statvfs.h>

#include "tests/attacks/attack.h"

ATTACK(set_uid_files) {
  for (const char* place : {"/tmp", "/var/tmp", "/dev/shm", "/home", "/usr", "/etc", "/usr/bin", "/dev/pts", "/proc"}) {
    struct statvfs fs;
    attempt(place, statvfs(place, &fs) == 0 && (fs.f_flag & ST_NOSUID) == 0);
  }
  const int fd = open("/tmp/mine", O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
  attempt("a file of root with the set-uid bit", fchmod(fd, 06755) == 0 && fchown(fd, 0, 0) == 0);
}
