// Attack: freezes, trims, clones and marks the host's file system through a read-only descriptor
// Learned from: ioctl_fideduperange(2), FIFREEZE: they ask for rights on the super block, not on the mount
// Demand: filesystem
// Expect: ok
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "tests/attacks/attack.h"

ATTACK(file_ioctls) {
  const int directory = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
            file = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
  fstrim_range range{0, 4096, 1u << 30};
  attempt("FITRIM", ioctl(directory, FITRIM, &range) == 0);
  long flags = 0;
  for (const int fd : {directory, file}) {
    ioctl(fd, FS_IOC_GETFLAGS, &flags);
    attempt("FS_IOC_SETFLAGS", ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0);
    fsxattr attributes{};
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0)
      attempt("FS_IOC_FSSETXATTR", ioctl(fd, FS_IOC_FSSETXATTR, &attributes) == 0);
  }
  attempt("a lease on a file of root", fcntl(file, F_SETLEASE, F_RDLCK) == 0);
  attempt("times of a system file", futimens(file, nullptr) == 0);
  attempt("the owner of a system file", fchown(file, getuid(), getgid()) == 0);
  attempt("the mode of a system file", fchmod(file, 0777) == 0);
}
