// The first moments of a setuid program, when everything around it was chosen by
// the caller: arguments, environment, descriptors, signals, umask, directory.
//
// Sources: CVE-2021-4034 (argc 0), CVE-2023-4911 and CVE-2026-53614 (environment),
// CVE-2024-21626 (leaked descriptors); credentials(7): a process whose real uid
// is the caller's can be stopped and killed by the caller, whatever its euid.
// Privilege: root.
#pragma once

#include <cstdint>

#include "sandbox/core/fail.h"

namespace milonga::core {

struct Caller {
  std::uint32_t uid = ~0u, gid = ~0u;  // the real ids that it started us with
};

// Makes the surroundings ours and drops all capabilities but the kept ones.
// Descriptors 0 to 2 exist afterwards, 3 to 7 are as the front set them, no others.
Fail take_control(int argc, Caller& caller);

}  // namespace milonga::core
