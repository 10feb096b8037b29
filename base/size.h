// Amounts as people write them: sizes (256M), durations in seconds (1.5) and
// plain counts. The one grammar of every option of ours.
//
// Whole numbers are read as Tango's autodriver reads them (strtoul, base 0):
// 10, 0x10, 010 (octal), leading blanks and one '+' are accepted, and the empty
// text is 0. Signs, trailing text and overflow are refused.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace milonga {

// A whole number. Fails with one sentence that quotes the text.
Result<std::uint64_t> parse_count(std::string_view text);

// Bytes: a whole number with an optional K, M or G (either case; powers of 1024).
Result<std::uint64_t> parse_size(std::string_view text);

// Nanoseconds from seconds: a whole number, or a decimal fraction with at most
// nine digits after the point (1.5, .25, 2.).
Result<std::uint64_t> parse_seconds(std::string_view text);

// The shortest text that parse_size reads as the same number: 256M, 1000.
std::string print_size(std::uint64_t bytes);

// The shortest text that parse_seconds reads as the same number: 1.5, 90.
std::string print_seconds(std::uint64_t nanoseconds);

// For people, rounded: "41.3 MiB", "512 B".
std::string human_size(std::uint64_t bytes);

}  // namespace milonga
