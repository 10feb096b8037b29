# Program: AddressSanitizer and UndefinedBehaviorSanitizer, with 20 TiB of shadow address space and a personality of their own
# Demand: syscalls
# Expect: ok
# Prints: heap-buffer-overflow
# Prints: ^clean run$
# Needs: gcc
cat > over.c <<'END'
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  (void)argv;
  char *block = malloc(10);
  block[argc > 1 ? 10 : 9] = 1;
  puts("clean run");
  free(block);
}
END
gcc -fsanitize=address,undefined -g -o over over.c && ./over
./over 1 2>&1 | grep -o heap-buffer-overflow | head -n 1
