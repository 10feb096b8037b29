// Attack: a path far longer than PATH_MAX: whoever removes it by recursion or by name fails
// Learned from: rm -r of old; the box's tmpfs goes as a whole
// Demand: kill
// Expect: ok
// Prints: ^[0-9]{3,} levels
// Evidence: wall_s <= 5
#include "tests/attacks/attack.h"

ATTACK(deep_directories) {
  int depth = 0;
  for (; depth < 3000; ++depth)
    if (mkdir("directory-with-a-long-name", 0700) != 0 || chdir("directory-with-a-long-name") != 0) break;
  mkdir("locked", 0);
  say("%d levels", depth);
}
