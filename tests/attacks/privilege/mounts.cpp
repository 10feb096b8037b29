// Attack: every call that mounts, by the old interface and the new one
// Learned from: R24; CVE-2022-0492 (cgroup v1 release_agent)
// Demand: privilege
// Expect: ok
// Outside: userns
#include <sys/mount.h>

#include "tests/attacks/attack.h"

ATTACK(mounts) {
  mkdir("/tmp/here", 0700);
  for (const char* type :
       {"tmpfs", "proc", "sysfs", "cgroup", "cgroup2", "overlay", "devpts", "mqueue", "debugfs", "bpf", "fuse"})
    attempt(type, mount(type, "/tmp/here", type, 0, nullptr) == 0);
  attempt("a bind mount", mount("/usr", "/tmp/here", nullptr, MS_BIND, nullptr) == 0);
  for (const char* place : {"/", "/usr", "/tmp", "/proc", "/dev/shm", "/etc"}) {
    attempt("a remount", mount(nullptr, place, nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0);
    attempt("another propagation", mount(nullptr, place, nullptr, MS_SHARED, nullptr) == 0);
    attempt("a mount moved", mount(place, "/tmp/here", nullptr, MS_MOVE, nullptr) == 0);
    attempt("a mount's attributes", call(SYS_mount_setattr, AT_FDCWD, place, 0, nullptr, 0) >= 0);
    attempt("a copy of a mount", call(SYS_open_tree, AT_FDCWD, place, 1) >= 0);
  }
  attempt("an unmount", umount2("/proc", MNT_DETACH) == 0 || umount2("/etc/passwd", MNT_DETACH) == 0);
  attempt("fsopen", call(SYS_fsopen, "tmpfs", 0) >= 0);
  attempt("fspick", call(SYS_fspick, AT_FDCWD, "/tmp", 0) >= 0);
  attempt("move_mount", call(SYS_move_mount, AT_FDCWD, "/usr", AT_FDCWD, "/tmp/here", 0) >= 0);
  attempt("pivot_root", call(SYS_pivot_root, "/tmp", "/tmp/here") >= 0);
  rmdir("/tmp/here");
}
