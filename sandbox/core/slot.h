// A slot: the number from which everything of a box gets its name: its uid, its
// cgroup leaf. A slot is owned by holding flock(2) on /run/milonga/slots/<n>;
// the kernel frees it when the supervisor dies, however it dies. So there is no
// journal to keep: who gets the lock knows what a dead box may have left, by
// the number alone, and removes it before it uses the slot.
//
// Privilege: root by ownership of the files.
#pragma once

#include <cstdint>

#include "base/core/unique_fd.h"
#include "sandbox/core/fail.h"

namespace milonga::core {

// Owned by root, mode 0755; nothing in /tmp, nothing that another user can prepare (CVE-2021-44730).
inline constexpr const char* kStateDir = "/run/milonga";
inline constexpr const char* kMountPoint = "/run/milonga/box";  // used only inside a box's own mount namespace

class Slot {
 public:
  // Locks the first free slot below `count`. Fails if all are taken or the state
  // directory is not root's alone.
  Fail acquire(std::uint32_t count);
  [[nodiscard]] std::uint32_t number() const { return number_; }

 private:
  UniqueFd state_;  // our share in the state directory
  UniqueFd lock_;
  std::uint32_t number_ = 0;
};

// Removes what dead boxes left in all slots below `count` that are free now,
// and our directories if no box lives at all.
Fail collect_slots(std::uint32_t count);

}  // namespace milonga::core
