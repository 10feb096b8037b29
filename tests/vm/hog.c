// Hostile but bounded, for the guest: touches memory, or forks, up to a limit of its own.
//   hog memory MIB   |   hog forks N
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const long n = atol(argv[2]);
  if (strcmp(argv[1], "memory") == 0) {
    for (long i = 0; i < n; ++i) {
      char* block = malloc(1 << 20);
      if (block == NULL) return 1;
      memset(block, 1, 1 << 20);
    }
    return 0;
  }
  long refused = 0;
  for (long i = 0; i < n; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      sleep(2);
      _exit(0);
    }
    refused += pid < 0;
  }
  printf("refused %ld\n", refused);
  return 0;
}
