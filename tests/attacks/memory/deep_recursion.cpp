// Attack: recursion without end
// Learned from: bazel#26062, judge0's stack limit
// Demand: verdict
// Limits: --memory 64M
// Expect: signaled memory_limit
// Prints: ^started
#include "tests/attacks/attack.h"

static int recurse(volatile char* above, int depth) {
  volatile char frame[4096];
  frame[0] = above != nullptr ? above[0] : '\0';
  return depth == 0 ? 0 : recurse(frame, depth - 1) + frame[0];
}

ATTACK(deep_recursion) {
  say("started");
  attempt("a stack without end", recurse(nullptr, 1 << 20) == 0);
}
