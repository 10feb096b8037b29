// Attack: new namespaces of each kind, by unshare, clone and clone3, and entering those that it can name
// Learned from: R33 (what a user namespace opens: 8 to 27 of 40 privileged operations; CVE-2022-0185 and many more)
// Demand: privilege
// Expect: ok
// Outside: nobody
#include <sched.h>

#include "tests/attacks/attack.h"

ATTACK(namespaces) {
  const unsigned long kinds[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,    CLONE_NEWNET,
                                 CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80};
  for (const unsigned long kind : kinds) {
    attempt(
        "a namespace by unshare", in_child([kind] { _exit(unshare(static_cast<int>(kind)) == 0 ? 1 : 0); }) > 0 && [] {
          int status = 0;
          wait(&status);
          return WIFEXITED(status) && WEXITSTATUS(status) == 1;
        }());
    attempt(
        "a user namespace with it",
        in_child([kind] { _exit(call(SYS_unshare, kind | CLONE_NEWUSER) == 0 ? 1 : 0); }) > 0 && [] {
          int status = 0;
          wait(&status);
          return WIFEXITED(status) && WEXITSTATUS(status) == 1;
        }());
    if (kind == 0x80) continue;  // CLONE_NEWTIME: for clone(2) it is a part of the exit signal
    const long pid = call(SYS_clone, kind | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    attempt("a namespace by clone", pid > 0);
  }
  for (const char* name : {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"}) {
    char path[64];
    snprintf(path, sizeof path, "/proc/1/ns/%s", name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    attempt("init's namespaces", fd >= 0);
    snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    attempt("setns", setns(open(path, O_RDONLY | O_CLOEXEC), 0) == 0);
  }
}
