#include "sandbox/core/identity.h"

#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox/core/privilege.h"
#include "sandbox/core/rootless.h"

namespace milonga::core {

Fail become(std::uint32_t uid, std::uint32_t gid) {
  if (uid == 0 || gid == 0) return refused(Step::identity, "a box never runs as root");
  if (is_rootless()) MUST(nest_user_namespace(uid, gid));
  MUST(drop_bounding_set());
  if (!is_rootless()) {  // else the caller's groups cannot be dropped: user_namespaces(7), setgroups "deny"
    Raised up(CAP_SETGID);
    if (::setgroups(0, nullptr) != 0) return failed(Step::identity, "cannot drop all groups");
    if (::setresgid(gid, gid, gid) != 0) return failed(Step::identity, "cannot take the box's group id");
  }
  {
    Raised up(CAP_SETUID);
    if (::setresuid(uid, uid, uid) != 0) return failed(Step::identity, "cannot take the box's user id");
  }
  MUST(drop_all_capabilities());
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(Step::identity, "cannot set no_new_privs");
  // CVE-2026-41163 (bubblewrap): a half-dropped helper that can be traced is driven by the traced.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed(Step::identity, "cannot become undumpable");

  uid_t ruid = 0, euid = 0, suid = 0;
  gid_t rgid = 0, egid = 0, sgid = 0;
  if (::getresuid(&ruid, &euid, &suid) != 0 || ::getresgid(&rgid, &egid, &sgid) != 0 || ruid != uid || euid != uid ||
      suid != uid || rgid != gid || egid != gid || sgid != gid || (!is_rootless() && ::getgroups(0, nullptr) != 0) ||
      ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
    return refused(Step::identity, "the ids of the box do not read back as they were set");
  return fine();
}

}  // namespace milonga::core
