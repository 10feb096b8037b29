// The path of an archive's entry, before anything is done with it.
//
// Privilege: none.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace milonga::images {

// So deep, at most: what is unpacked is also walked and removed, with a descriptor for each level.
inline constexpr std::size_t kDeepest = 200;

// The path without "./", "//" and a "/" at its end; empty: the root itself. Fails,
// with the rule alone, if it is absolute, has "..", a zero byte, a component of more
// than 255 bytes, or is too long or too deep.
Result<std::string> clean_path(std::string_view path);

// The part before the last "/", "" if there is none; and the part behind it.
std::string_view parent_of(std::string_view path);
std::string_view leaf_of(std::string_view path);

}  // namespace milonga::images
