// Becoming the job: ids of the box, no groups, no capabilities in any set, no
// way to gain some; read back.
//
// Sources: credentials(7), capabilities(7), PR_SET_NO_NEW_PRIVS(2const), prctl(2) PR_SET_DUMPABLE.
// Privilege: root, CAP_SETUID, CAP_SETGID, CAP_SETPCAP; none afterwards.
#pragma once

#include <cstdint>

#include "sandbox/core/fail.h"

namespace milonga::core {

// Irreversible. Afterwards real, effective and saved ids are uid and gid, and
// the process is not dumpable, so that no other process of that uid can trace it.
Fail become(std::uint32_t uid, std::uint32_t gid);

}  // namespace milonga::core
