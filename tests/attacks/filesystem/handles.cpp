// Attack: opens the host's root directory by its inode number
// Learned from: the 'shocker' escape (open_by_handle_at(2), Docker 0.11)
// Demand: filesystem
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(handles) {
  struct {
    unsigned bytes;
    int type;
    unsigned char handle[8];
  } root{8, 1, {2, 0, 0, 0, 0, 0, 0, 0}};  // inode 2: the root of ext4
  for (const char* path : {"/usr", "/etc", "/etc/passwd", "/tmp", "/"}) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    attempt("a file by handle", call(SYS_open_by_handle_at, fd, &root, O_RDONLY) >= 0);
    int mount = 0;
    attempt("a handle of a file", call(SYS_name_to_handle_at, AT_FDCWD, path, &root, &mount, 0) >= 0);
  }
}
