// A box inside a container that gives no privilege: root there may change ids
// and signal anybody, but mount nothing and make no namespace and no cgroup
// (Docker's default). One box at a time; every demand that this cannot meet is
// named in the evidence, and a run that did not allow so little is refused.
//
//   ids        a uid that no other container on this host is likely to have
//   files      the container's own, by permissions and Landlock; ~autograde is the job's
//   kill       the tracer's death kills all (PTRACE_O_EXITKILL); then a process of
//              the job's uid kills every other of that uid, until there is none
//   leftovers  removed by that same process, with the job's rights and no others
//
// Sources: ptrace(2), kill(2) (pid -1), landlock(7), prctl(2) PR_SET_CHILD_SUBREAPER.
// Privilege: root without CAP_SYS_ADMIN.
#pragma once

#include <cstdint>

#include "sandbox/core/fail.h"
#include "sandbox/core/root.h"

namespace milonga::core {

// Whether drop_to_kept_capabilities() found root without CAP_SYS_ADMIN.
bool is_contained();
void set_contained();

// The uid of the one box of this container.
std::uint32_t contained_uid();

// True if the container has no interface but lo.
bool has_no_network();

// ~autograde and the work directory, the job's.
Fail make_home(const RootPlan& plan);

// Kills every process of this uid, waits for those that were ours, removes the
// uid's files from the places that all may write to, and its IPC objects.
Fail sweep(std::uint32_t uid);

}  // namespace milonga::core
