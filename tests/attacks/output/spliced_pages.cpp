// Attack: hands pages of a file to the pipe without a copy, and changes them afterwards
// Learned from: splice(2); CVE-2022-0847 (Dirty Pipe)
// Demand: output
// Expect: ok
// Prints: ^contained: spliced
#include "tests/attacks/attack.h"

ATTACK(spliced_pages) {
  const int fd = open("/tmp/page", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  char page[4096];
  memset(page, 'a', sizeof page);
  page[4095] = '\n';
  for (int round = 0; round < 50; ++round) {
    pwrite(fd, page, sizeof page, 0);
    loff_t offset = 0;
    if (splice(fd, &offset, 1, nullptr, sizeof page, 0) < 0) write(1, page, sizeof page);
    memset(page, 'a' + round % 26, 100);
  }
  ftruncate(fd, 0);
  say("contained: spliced");
}
