// Attack: many processes write at once and to both descriptors
// Learned from: output that is lost between two pumps
// Demand: output
// Expect: ok
// Prints: ^ended$
// Evidence: output_bytes == 204806
#include "tests/attacks/attack.h"

ATTACK(many_writers) {
  for (int i = 0; i < 10; ++i)
    in_child([i] {
      char block[1024];
      memset(block, 'a' + i, sizeof block);
      block[1023] = '\n';
      for (int k = 0; k < 20; ++k) write(k % 2 + 1, block, sizeof block);
    });
  reap_all();
  say("ended");
}
