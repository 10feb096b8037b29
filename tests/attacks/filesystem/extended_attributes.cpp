// Attack: hides data in extended attributes, which no block count shows, and asks for those that give rights
// Learned from: R13 (file capabilities); tmpfs(5), user.* since 6.6
// Demand: disk
// Limits: --disk 4M --inodes 1000 --memory 64M
// Expect: ok memory_limit
// Prints: ^(contained|started)
// Evidence: memory_peak_bytes <= 67108864
#include <sys/xattr.h>

#include "tests/attacks/attack.h"

ATTACK(extended_attributes) {
  say("started");
  const int fd = open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const char capability[20] = {1, 0, 0, 2, -1, -1, -1, -1};
  attempt("file capabilities", fsetxattr(fd, "security.capability", capability, sizeof capability, 0) == 0);
  attempt("a trusted attribute", fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) == 0);
  static char value[1 << 15];
  char name[40];
  size_t kept = 0;
  for (int i = 0; i < 5000; ++i) {
    snprintf(name, sizeof name, "user.%d", i);
    if (fsetxattr(fd, name, value, sizeof value, 0) == 0) kept += sizeof value;
  }
  attempt("more attributes than its memory", kept > 64u << 20);
}
