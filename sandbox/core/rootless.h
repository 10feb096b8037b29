// Without root: a user namespace of the caller's own, in which the core has the
// capabilities that it needs over what it makes itself, and none over the host.
// The rest of the core is the same: the kernel answers EPERM where it differs.
//
//   core   in its user namespace: uid 0 there is the caller's uid outside
//   job    in one more, made by the box's init: it owns neither the mounts nor
//          the other namespaces of the box, and is not 0 in it
//
// Sources: user_namespaces(7), mount_namespaces(7) ("Restrictions on mount namespaces").
// Privilege: none.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "sandbox/core/fail.h"

namespace milonga::core {

// Whether this process went through enter_user_namespace(), and with which uid.
bool is_rootless();
uid_t outside_uid();

// A new user and mount namespace; `uid` and `gid` of the outside become 0. Fails
// where the host or a container does not let plain users do so.
Fail enter_user_namespace(uid_t uid, gid_t gid);

// One more user namespace, in which our 0 becomes `uid` and `gid`. All
// capabilities are there in it: drop them. Leaves the process undumpable.
Fail nest_user_namespace(std::uint32_t uid, std::uint32_t gid);

}  // namespace milonga::core
