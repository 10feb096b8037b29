// Attack: the 32-bit entrance and x32, where the same number means another call
// Learned from: R27
// Demand: syscalls
// Expect: ok
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(foreign_entrances) {
  const auto came_through = [](pid_t child) {
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 1;
  };
  attempt("the 32-bit entrance", came_through(in_child([] {
            long result = 20;  // getpid
            asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
            _exit(result > 0 ? 1 : 0);
          })));
  attempt("x32", came_through(in_child([] { _exit(call(0x40000000 | SYS_getpid) > 0 ? 1 : 0); })));
}
