# Program: a shared library with dlopen, a static one with ar, rpath and ldd
# Demand: filesystem
# Expect: ok
# Prints: ^static 1, shared 2, loaded 2$
# Needs: gcc ar
echo 'int one(void) { return 1; }' > one.c && echo 'int two(void) { return 2; }' > two.c
gcc -c one.c && ar rcs libone.a one.o && gcc -shared -fPIC -o libtwo.so two.c
cat > main.c <<'END'
#include <dlfcn.h>
#include <stdio.h>
int one(void);
int two(void);
int main(void) {
  int (*loaded)(void) = (int (*)(void))dlsym(dlopen("./libtwo.so", RTLD_NOW), "two");
  printf("static %d, shared %d, loaded %d\n", one(), two(), loaded());
}
END
gcc -o main main.c -L. -lone -ltwo -Wl,-rpath,"$PWD" && ./main
