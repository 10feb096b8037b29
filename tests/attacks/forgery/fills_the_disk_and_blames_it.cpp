// Attack: fills its disk, frees it again and fails: the disk is not at fault
// Learned from: docs/report.md, disk_limit
// Demand: verdict
// Limits: --disk 4M
// Expect: failed
// Prints: ^freed
// Evidence: exit_code == 4; disk_bytes <= 3000000
#include "tests/attacks/attack.h"

ATTACK(fills_the_disk_and_blames_it) {
  static char block[1 << 16];
  const int fd = open("/tmp/big", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  for (int i = 0; i < 100; ++i) write(fd, block, sizeof block);
  close(fd);
  unlink("/tmp/big");
  say("freed");
  _exit(4);
}
