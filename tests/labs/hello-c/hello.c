#include <stdio.h>

int main(void) {
  puts("Hello, autolab!");
  return 0;
}
