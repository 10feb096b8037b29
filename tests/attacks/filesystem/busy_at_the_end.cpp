// Attack: is in the middle of writing, renaming and mapping when it is killed
// Learned from: R4; EBUSY at unmount
// Demand: kill
// Limits: --wall-time 1
// Expect: wall_limit
// Prints: ^started
// Evidence: wall_s <= 1.5
#include "tests/attacks/attack.h"

ATTACK(busy_at_the_end) {
  say("started");
  for (int k = 0; k < 4; ++k)
    in_child([k] {
      char one[32], two[32];
      snprintf(one, sizeof one, "/tmp/%d", k);
      snprintf(two, sizeof two, "/dev/shm/%d", k);
      for (const double end = now() + 3; now() < end;) {
        const int fd = open(one, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        write(fd, one, sizeof one);
        void* map = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) *static_cast<volatile char*>(map) = 1, munmap(map, 4096);
        close(fd);
        rename(one, two);
        unlink(two);
      }
    });
  reap_all();
  attempt("its wall time", true);
}
