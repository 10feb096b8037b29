// Text that goes into JSON is UTF-8 (RFC 8259, 8.1); bytes from file names,
// programs and platforms need not be.
//
// Privilege: none.
#pragma once

#include <string>
#include <string_view>

namespace milonga {

// Whether `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
bool is_utf8(std::string_view text);

// `text` with each byte that is not part of a well-formed character as \xHH: always UTF-8, and still readable.
// Cut between characters to at most `most` bytes.
std::string to_utf8(std::string_view text, std::size_t most = std::string_view::npos);

// `text` without the bytes that are not part of a well-formed character.
std::string only_utf8(std::string_view text);

}  // namespace milonga
