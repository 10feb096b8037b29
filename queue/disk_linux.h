// Disk on a real file system, below one directory. Every open goes through
// openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS: a link planted in the
// spool leads nowhere.
//
// Privilege: none.
#pragma once

#include <memory>
#include <string>

#include "queue/disk.h"

namespace milonga::queue {

// Opens the directory; `create` makes it (0750) first. Fails if it is not there,
// or not one that only its owner and group can write to.
Result<std::unique_ptr<Disk>> open_linux_disk(const std::string& path, bool create);

// Why this file system is no place for a spool (network, FUSE, in memory), or nothing.
std::string unfit_file_system(const std::string& path, bool allow_volatile);

}  // namespace milonga::queue
