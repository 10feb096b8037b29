# Program: valgrind finds a leak
# Demand: syscalls
# Expect: ok
# Prints: definitely lost: 40 bytes
# Needs: valgrind gcc
echo '#include <stdlib.h>
int main(void) { volatile char *p = malloc(40); p[0] = 1; p = 0; return 0; }' > leak.c
gcc -g -o leak leak.c && valgrind --leak-check=full ./leak 2>&1 | grep 'definitely lost'
