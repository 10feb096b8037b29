// Monotonic time as a number of nanoseconds. Wall-clock time is never used for limits: NTP steps it.
//
// Privilege: any.
#pragma once

#include <time.h>

#include <cstdint>

namespace milonga {

// CLOCK_MONOTONIC (or another clock), ns. Cannot fail for the clocks that Linux always has, clock_gettime(2).
inline std::uint64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace milonga
