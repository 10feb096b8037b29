// Attack: one file above the limit, by write, truncate, fallocate and a hole
// Learned from: RLIMIT_FSIZE
// Demand: file_size
// Limits: --file-size 1M
// Expect: ok
// Evidence: demands.file_size.read_back == 1048576
#include "tests/attacks/attack.h"

ATTACK(large_file) {
  signal(SIGXFSZ, SIG_IGN);
  const int fd = open("big", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  attempt("a large file by truncate", ftruncate(fd, 2 << 20) == 0);
  attempt("a large file by a hole", pwrite(fd, "x", 1, 2 << 20) == 1);
  attempt("a large file by fallocate", fallocate(fd, 0, 0, 2 << 20) == 0);
  struct stat st;
  attempt("a large file", fstat(fd, &st) == 0 && st.st_size > 1 << 20);
}
