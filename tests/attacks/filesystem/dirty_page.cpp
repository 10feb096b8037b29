// Attack: writes to a private mapping of a read-only file (by /proc/self/mem): does the file change?
// Learned from: CVE-2016-5195 (Dirty COW), CVE-2022-0847 (Dirty Pipe)
// Demand: filesystem
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(dirty_page) {
  const int fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
  char before[16] = {}, after[16] = {};
  pread(fd, before, sizeof before, 0);
  char* map = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
  const int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
  if (mem >= 0 && map != MAP_FAILED)
    pwrite(mem, before, sizeof before, reinterpret_cast<off_t>(map));  // the same bytes
  attempt("a writable mapping of a system file",
          mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
  attempt("write access by mprotect on a shared mapping", [&] {
    void* shared = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
    return shared != MAP_FAILED && mprotect(shared, 4096, PROT_READ | PROT_WRITE) == 0;
  }());
  int ends[2];
  if (pipe(ends) == 0) {  // the pipe's page must not stay mergeable with the file's
    for (int i = 0; i < 16; ++i) write(ends[1], before, 16), read(ends[0], after, 16);
    loff_t offset = 0;
    splice(fd, &offset, ends[1], nullptr, 1, 0);
    write(ends[1], before + 1, 15);
  }
  pread(fd, after, sizeof after, 0);
  attempt("a changed system file", memcmp(before, after, sizeof before) != 0);
  attempt("its own program, for writing", writable("/proc/self/exe") && access("/usr/bin", W_OK) == 0);
}
