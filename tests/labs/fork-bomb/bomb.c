#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

// Only the parent forks, 200 times at most, and each child ends by itself after
// two seconds: harmless outside of a box too.
int main(void) {
  int born = 0, refused = 0;
  for (int i = 0; i < 200; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      sleep(2);
      _exit(0);
    }
    if (child > 0) ++born;
    if (child < 0) ++refused;
  }
  printf("%d forks, %d refused\n", born, refused);
  fflush(stdout);
  while (wait(NULL) > 0) continue;
  return refused > 0 ? 1 : 0;
}
