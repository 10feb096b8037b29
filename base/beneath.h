// Opening what others may have made: the path is resolved by the kernel beneath a
// directory and through no symbolic link (openat2(2)), so no name leads outside.
//
// Privilege: none (the caller's).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/core/unique_fd.h"

namespace milonga {

// `flags` as of open(2), close-on-exec is added; `mode` counts only with O_CREAT; `more_resolve`:
// further RESOLVE_ flags. On failure invalid, with errno: ELOOP a link, EXDEV a way out.
UniqueFd openat_beneath(int root, const std::string& path, int flags, mode_t mode = 0,
                        std::uint64_t more_resolve = 0);

}  // namespace milonga
