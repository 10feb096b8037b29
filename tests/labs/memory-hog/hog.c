#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Appends and never frees. Bounded, so that it is harmless outside of a box too.
int main(void) {
  const size_t chunk = 1 << 20, most = 1024;
  for (size_t i = 0; i < most; ++i) {
    char *p = malloc(chunk);
    if (p == NULL) return 1;
    memset(p, 1, chunk);
    if ((i + 1) % 32 == 0) {
      printf("%zu MiB\n", i + 1);
      fflush(stdout);
    }
  }
  return 0;
}
