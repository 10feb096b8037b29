// Attack: reads and changes what others left readable and writable for everybody in /var/tmp
// Learned from: R18, isolate 2.6
// Demand: filesystem
// Expect: ok
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(planted_files) {
  char path[600];
  for (const char* name : {"readable", "writable", "fifo", "socket", "open"}) {
    snprintf(path, sizeof path, "%s/%s", planted("directory"), name);
    struct stat st;
    attempt(path, stat(path, &st) == 0);
    if (strcmp(name, "fifo") != 0) attempt(path, readable(path));
  }
  snprintf(path, sizeof path, "%s/open", planted("directory"));
  attempt("a file in a directory of the host", can_create_in(path));
  attempt("the host's shared memory", readable(planted("shm_file")) || writable(planted("shm_file")));
}
