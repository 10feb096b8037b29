// Times as text, all in UTC; what is given are milliseconds of Unix time.
//
// Privilege: none. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace milonga::rest {

// Python's ctime: "Mon Nov 23 06:05:03 2026"
std::string ctime_utc(std::int64_t unix_ms);
// "2026-11-23T06:05:03.120Z"
std::string iso_utc(std::int64_t unix_ms);
// "2026-11-23 06:05"
std::string minute_utc(std::int64_t unix_ms);

}  // namespace milonga::rest
