# Program: compiles and runs C
# Demand: syscalls
# Expect: ok
# Prints: ^the sum is 5050$
# Needs: gcc
cat > sum.c <<'END'
#include <stdio.h>
int main(void) {
  int sum = 0;
  for (int i = 1; i <= 100; ++i) sum += i;
  printf("the sum is %d\n", sum);
  return 0;
}
END
gcc -O2 -Wall -g -o sum sum.c && ./sum
