// Attack: changes the pipe that its output goes to: size, non-blocking, owner of its signals, reads and truncates it
// Learned from: O_NONBLOCK is one of the open file, shared by all who have it
// Demand: output
// Expect: ok
// Prints: ^\.{99}$
// Evidence: output_bytes >= 100000
#include "tests/attacks/attack.h"

ATTACK(tampers_with_the_pipe) {
  fcntl(1, F_SETPIPE_SZ, 4096);
  fcntl(1, F_SETPIPE_SZ, 1 << 20);
  fcntl(1, F_SETFL, O_NONBLOCK | O_APPEND);
  fcntl(1, F_SETFL, 0);
  fcntl(1, F_SETLK, nullptr);
  ftruncate(1, 0);
  lseek(1, 0, SEEK_SET);
  const int again = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  char byte;
  if (again >= 0 && write(1, "\n", 1) == 1) read(again, &byte, 1);  // takes bytes of its own away
  for (int i = 0; i < 1000; ++i) {
    char line[101];
    memset(line, '.', 100);
    line[99] = '\n';
    write(1, line, 100);
  }
}
