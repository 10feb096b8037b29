// Attack: files and directories that nobody may touch, not even their owner, as left-overs
// Learned from: rm -r by an unprivileged cleaner
// Demand: kill
// Expect: ok
// Prints: ^left
#include "tests/attacks/attack.h"

ATTACK(unwritable_files) {
  for (const char* top : {"/tmp/a", "/var/tmp/a", "/dev/shm/a", "a"}) {
    mkdir(top, 0700);
    char path[64];
    snprintf(path, sizeof path, "%s/file", top);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0));
    chmod(top, 0);
  }
  say("left");
}
