// Names that come from the network and become names of files: one path
// component each, checked once, here. Everything that opens a file by such a
// name opens it below a directory's descriptor as well (courselabs.h).
//
// Privilege: none. Pure.
#pragma once

#include <string>
#include <string_view>

namespace milonga::rest {

// Why this cannot be the name of a file, a course lab or an output file; empty if it can.
// `longest`: in bytes. Any UTF-8 is fine but '/', control characters, "." and "..".
std::string name_problem(std::string_view name, std::size_t longest);

inline constexpr std::size_t kLongestFile =
    200;  // room for temporary names beside it: at most 255 (NAME_MAX)
inline constexpr std::size_t kLongestLab = 200;
inline constexpr std::size_t kLongestImage = 128;

// An image's name: letters, digits and "._-:/@", as registries write them; no
// component is "." or "..", none is empty.
bool is_image_name(std::string_view name);

// A header's value as text: UTF-8 as it is (Ruby and curl send it so), anything
// else is taken for Latin-1 (which python's requests sends).
std::string header_text(std::string_view bytes);

// With U+FFFD for each byte that is not part of valid UTF-8; a character that is
// cut in half at the end is left out.
std::string lossy_utf8(std::string_view bytes);

}  // namespace milonga::rest
