// Attack: keeps 30 MiB in a file and deletes it
// Learned from: R26
// Demand: memory
// Expect: ok
// Prints: ^deleted
// Evidence: memory_peak_bytes >= 31457280; disk_bytes <= 8000000
#include "tests/attacks/attack.h"

ATTACK(peak_of_files) {
  static char block[1 << 20];
  const int fd = open("/dev/shm/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  for (int i = 0; i < 30; ++i) write(fd, block, sizeof block);
  close(fd);
  unlink("/dev/shm/file");
  say("deleted");
}
