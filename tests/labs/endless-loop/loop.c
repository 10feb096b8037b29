#include <stdio.h>

// Counts down with an unsigned number, which is never below zero.
int main(void) {
  printf("counting down\n");
  fflush(stdout);
  for (volatile unsigned i = 10; i >= 0; --i) continue;
  printf("lift off\n");
  return 0;
}
