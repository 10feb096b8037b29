// The job's files by Landlock, where there is no mount namespace: it may read
// what its uid may, and write below a few directories (policy/mounts.h, kShared).
//
// Sources: landlock(7), landlock_create_ruleset(2).
// Privilege: job.
#pragma once

#include "sandbox/core/fail.h"

namespace milonga::core {

// From this version on a job cannot signal what is not in its Landlock domain, the box's init above all.
inline constexpr int kLandlockScopes = 6;

// The kernel's Landlock version; 0: none, or the container does not let us ask.
int landlock_version();

// For this process and all that it starts; needs no_new_privs.
Fail restrict_files();

}  // namespace milonga::core
