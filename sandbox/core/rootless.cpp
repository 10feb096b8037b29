#include "sandbox/core/rootless.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/core/unique_fd.h"
#include "sandbox/core/privilege.h"

namespace milonga::core {
namespace {

bool rootless = false;
uid_t outside = 0;

bool write_all(const char* path, const char* text) {
  UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
  const auto size = std::strlen(text);
  return fd.valid() && ::write(fd.get(), text, size) == static_cast<ssize_t>(size);
}

// Without "deny", a group that was put there to forbid something could be dropped (CVE-2014-8989).
Fail map_one(unsigned inside_uid, unsigned outside_uid, unsigned inside_gid, unsigned outside_gid) {
  char uids[40], gids[40];
  std::snprintf(uids, sizeof uids, "%u %u 1", inside_uid, outside_uid);
  std::snprintf(gids, sizeof gids, "%u %u 1", inside_gid, outside_gid);
  // The files are root's while we are undumpable, proc(5).
  const bool done = ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 && write_all("/proc/self/setgroups", "deny") &&
                    write_all("/proc/self/uid_map", uids) && write_all("/proc/self/gid_map", gids);
  const int error = errno;
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed(Step::identity, "cannot become undumpable");
  errno = error;
  return done ? fine() : failed(Step::identity, "cannot map our ids into a user namespace");
}

}  // namespace

bool is_rootless() { return rootless; }

uid_t outside_uid() { return outside; }

Fail enter_user_namespace(uid_t uid, gid_t gid) {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
    return failed(Step::start, "autodriver-core is neither root nor setuid root (chown root, chmod 4755), and cannot make "
                               "a user namespace");
  rootless = true;
  outside = uid;
  return map_one(0, uid, 0, gid);
}

Fail nest_user_namespace(std::uint32_t uid, std::uint32_t gid) {
  {
    Raised up(CAP_SETFCAP);
    if (::unshare(CLONE_NEWUSER) != 0) return failed(Step::identity, "cannot make the job's user namespace");
  }
  Raised up(CAP_SYS_ADMIN);  // over the new one; the kernel asks for it where its files are opened
  return map_one(uid, 0, gid, 0);
}

}  // namespace milonga::core
