// The box's own file system root. Made in two parts: the writable tmpfs by the
// supervisor (who keeps a descriptor, to ask how full it is), the rest by the
// box's init in its fresh mount namespace.
//
// Every mount is made by descriptor or by a name relative to a directory that
// nobody else can write to; nothing of the caller's is looked up by path.
//
// Sources: mount_namespaces(7), mount_setattr(2), pivot_root(2), proc(5), tmpfs(5).
// Privilege: root, CAP_SYS_ADMIN, CAP_MKNOD, CAP_CHOWN raised around the calls that need them.
#pragma once

#include <cstdint>

#include "base/core/unique_fd.h"
#include "sandbox/core/fail.h"

namespace milonga::core {

// A tmpfs of that many bytes and inodes, mounted nowhere yet.
Fail make_scratch(std::uint64_t bytes, std::uint64_t inodes, UniqueFd& mount);

// A copy of the mounts of a directory, attached nowhere yet. To be made before the
// new mount namespace: in there, descriptors of mounts outside cannot be copied.
Fail copy_image(int directory, UniqueFd& tree);

struct ScratchUse {
  std::uint64_t bytes_total = 0, bytes_used = 0, inodes_total = 0, inodes_used = 0;
};
bool scratch_use(int mount, ScratchUse& use);

struct RootPlan {
  int image = -1;    // from copy_image(), or -1: the host's own system
  int scratch = -1;  // from make_scratch()
  std::uint32_t uid = 0, gid = 0;
  const char* work_name = nullptr;  // made in the job's home
};

// In a new mount namespace (and pid, ipc, uts namespaces): builds the root,
// moves into it and lets go of the old one. Afterwards the root is read-only but
// for the scratch directories, and the working directory is "/".
Fail enter_root(const RootPlan& plan);

}  // namespace milonga::core
