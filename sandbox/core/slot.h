// A slot: the number from which everything of a box gets its name: its uid, its
// cgroup leaf. A slot is owned by holding flock(2) on <state>/slots/<n>;
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

// Where the slots are: /run/milonga, root's own, which nobody else can prepare
// (CVE-2021-44730). Without root /run/user/<uid>/milonga, or /tmp/milonga-<uid>
// where there is none: refused if it is another's.
const char* state_dir();
// A directory in it, covered by the root of each box in the box's own mount namespace.
inline constexpr const char* kMountPoint = "box";

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
