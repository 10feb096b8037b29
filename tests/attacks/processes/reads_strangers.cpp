// Attack: what /proc says of others: lists, command lines, environments, memory, descriptors
// Learned from: R22
// Demand: visibility
// Expect: ok
// Outside: nobody
#include <dirent.h>

#include "tests/attacks/attack.h"

ATTACK(reads_strangers) {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return attempt("no /proc", false);
  int others = 0;
  while (const dirent* entry = readdir(proc)) {
    const int pid = atoi(entry->d_name);
    if (pid == 0 || pid == getpid()) continue;
    ++others;
    for (const char* file : {"environ", "mem", "maps", "root", "cwd", "exe", "fd", "io", "stack", "syscall"}) {
      char path[300], target[300];
      snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
      if (pid == 1) attempt(path, readlink(path, target, sizeof target) >= 0 || readable(path));
    }
  }
  attempt("a list of processes that are not its own", others > 1);
  attempt("its parent's command line", readable("/proc/1/environ"));
}
