// Capabilities are down, except within the scope of a Raised object. The places
// where one is made are the complete list of privileged calls: grep Raised;
// docs/privilege.md has the table, and a test holds it against strace.
//
// Privilege: root.
#pragma once

#include <linux/capability.h>

#include <cstdint>

#include "sandbox/core/fail.h"
#include "sandbox/model/response.h"

namespace milonga::core {

// What the core may ever raise. Everything else is dropped in its first lines.
inline constexpr int kKeptCapabilities[] = {
    CAP_SYS_ADMIN,  // namespaces, mounts, pivot_root, host name
    CAP_NET_ADMIN,  // the loopback interface of the box's own network
    CAP_SETUID,     // become the box's uid
    CAP_SETGID,     // and gid, with no other groups
    CAP_SETPCAP,    // empty the bounding set
    CAP_MKNOD,      // /dev/null and its kin on the box's own tmpfs
    CAP_CHOWN,      // the box's directories belong to its uid
    CAP_KILL,       // the supervisor ends the box's init, which has another uid
    CAP_DAC_OVERRIDE,  // the root of a cgroup hierarchy has mode 0555: making our one directory there
};

// Permitted = the kept ones that we have, everything else empty; reads back.
Fail drop_to_kept_capabilities();

// Effective = exactly this one capability while the object lives, none afterwards.
// That the raising failed shows as EPERM of the very call that needs it.
class Raised {
 public:
  explicit Raised(int capability);
  ~Raised();
  Raised(const Raised&) = delete;
  Raised& operator=(const Raised&) = delete;
};

// All five sets of this process, by capget(2) and prctl(2), as the kernel has them.
void read_capabilities(Inside& into);

// Empties the bounding set: no exec of whatever file gives a capability again
// (capabilities(7)). Needs CAP_SETPCAP, so it comes before the change of ids.
Fail drop_bounding_set();

// Empties permitted, effective and inheritable for good; ambient went at the start.
Fail drop_all_capabilities();

}  // namespace milonga::core
