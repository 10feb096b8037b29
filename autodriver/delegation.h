// The cgroups that a caller without root may use: those that a manager has given
// away (systemd: Delegate=yes), found from our own place in each hierarchy
// upwards. cgroup-v2.rst, "Delegation".
//
// Privilege: none.
#pragma once

#include <array>

#include "base/core/unique_fd.h"

namespace milonga {

struct DelegatedCgroups {
  std::array<UniqueFd, 4> directory;  // in the order of the core's descriptors: v2, then memory, pids, cpuacct of v1

  [[nodiscard]] bool any() const;
  [[nodiscard]] std::array<int, 4> numbers() const;  // -1: there is none
};

// Those in which we may make groups that can have limits; none is no failure.
DelegatedCgroups find_delegated_cgroups();

}  // namespace milonga
