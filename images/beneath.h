// Directories whose contents nobody vouches for: opened, listed and removed without following any link.
//
// Privilege: none (the caller's).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga::images {

// openat2(2) beneath `root`: never above it, through no symbolic link, into no other
// mount. `path` empty: the root again. On failure invalid, with errno (ELOOP: a link).
UniqueFd open_beneath(int root, const std::string& path, int flags);

// The names in a directory but "." and "..", sorted by their bytes.
Result<std::vector<std::string>> names_in(int directory);

// Removes what has this name, whatever it is, and all below it. It may be absent.
Result<> remove_all(int parent, const std::string& name);

}  // namespace milonga::images
