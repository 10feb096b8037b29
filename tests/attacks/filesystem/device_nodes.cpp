// Attack: makes devices, and opens those that lie about
// Learned from: crun CVE-2026-47766 and its kin: a /dev that others have written
// Demand: filesystem
// Expect: ok
#include <dirent.h>
#include <sys/sysmacros.h>

#include "tests/attacks/attack.h"

ATTACK(device_nodes) {
  const struct {
    mode_t type;
    unsigned major_number, minor_number;
  } nodes[] = {{S_IFBLK, 8, 0}, {S_IFBLK, 254, 0},  {S_IFBLK, 7, 0}, {S_IFCHR, 1, 1},
               {S_IFCHR, 1, 2}, {S_IFCHR, 10, 200}, {S_IFCHR, 5, 1}};
  for (const auto& node : nodes) {
    attempt("a device node", mknod("/tmp/node", node.type | 0600, makedev(node.major_number, node.minor_number)) == 0);
    unlink("/tmp/node");
  }
  for (const char* path :
       {"/dev/mem",     "/dev/kmem",      "/dev/port",        "/dev/kmsg",         "/dev/console", "/dev/sda",
        "/dev/vda",     "/dev/nvme0",     "/dev/loop0",       "/dev/loop-control", "/dev/fuse",    "/dev/kvm",
        "/dev/net/tun", "/dev/vhost-net", "/dev/userfaultfd", "/dev/tty0",         "/dev/tty1",    "/dev/ttyS0",
        "/dev/log",     "/dev/mqueue",    "/dev/cuse"})
    attempt(path, access(path, F_OK) == 0);
  DIR* dev = opendir("/dev");
  int blocks = 0;
  while (const dirent* entry = dev != nullptr ? readdir(dev) : nullptr) {
    struct stat st;
    if (fstatat(dirfd(dev), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISBLK(st.st_mode)) ++blocks;
  }
  attempt("block devices", blocks > 0);
}
