// Attack: keeps its data in files: everything that a box can write is memory
// Learned from: R26; isolate 2.6 (/dev/shm)
// Demand: memory
// Limits: --memory 64M
// Expect: memory_limit disk_limit
// Prints: ^started
// Evidence: memory_peak_bytes <= 67108864
#include "tests/attacks/attack.h"

ATTACK(files_in_tmp) {
  say("started");
  static char block[1 << 20];
  memset(block, 1, sizeof block);
  ssize_t written = 0;
  for (const char* path : {"/tmp/a", "/var/tmp/b", "/dev/shm/c", "/home/autograde/d"}) {
    const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    for (int i = 0; i < 50; ++i) written += write(fd, block, sizeof block);
  }
  attempt("its memory, by files", written >= 150 << 20);
}
