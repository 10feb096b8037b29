// Attack: links to files of the host, by which a supervisor might read, write or chown
// Learned from: judge0 CVE-2024-28185 and -28189; go-judge#176; R1, R2
// Demand: filesystem
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(links_out) {
  char path[600];
  snprintf(path, sizeof path, "%s/writable", planted("directory"));
  for (const char* name : {"feedback", "output", "report.json", "Makefile", "stdout", ".profile", "core"}) {
    unlink(name);
    attempt("a link that leads out", symlink(path, name) == 0 && (readable(name) || writable(name)));
  }
  attempt("a hard link to a file of the system", link("/etc/passwd", "/tmp/passwd") == 0);
  attempt("a hard link by descriptor",
          linkat(open("/usr/bin/env", O_RDONLY | O_CLOEXEC), "", AT_FDCWD, "/tmp/env", AT_EMPTY_PATH) == 0);
  attempt("a hard link by /proc", linkat(AT_FDCWD, "/proc/self/exe", AT_FDCWD, "/usr/bin/x", AT_SYMLINK_FOLLOW) == 0);
}
