// Attack: numbers that no policy has heard of, between and beyond the known ones
// Learned from: R31: denylists age
// Demand: syscalls
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(unknown_calls) {
  // 335 and 336 (uretprobe, uprobe) pass no filter since Linux 6.14: from here they end in SIGILL.
  for (long number = 337; number < 424; ++number)
    attempt("a number in the gap", call(number, 0, 0, 0, 0, 0, 0) != -ENOSYS);
  for (long number = 470; number < 1000; ++number) attempt("a new number", call(number, 0, 0, 0, 0, 0, 0) != -ENOSYS);
  for (const long number : {100000L, 0x3fffffffL, 0x20000000L + SYS_getpid})
    attempt("a number far outside", call(number, 0, 0, 0, 0, 0, 0) != -ENOSYS);
}
