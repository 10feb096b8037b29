# Program: gdb stops at a breakpoint and shows a variable
# Demand: syscalls
# Expect: ok
# Prints: ^\$1 = 42$
# Needs: gdb gcc
cat > prog.c <<'END'
#include <stdio.h>
int main(void) {
  int answer = 42;
  printf("%d\n", answer);
  return 0;
}
END
gcc -g -O0 -o prog prog.c
gdb -q -batch -ex 'break printf' -ex run -ex up -ex 'print answer' ./prog 2>&1
