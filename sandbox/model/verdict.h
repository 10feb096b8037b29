// What became of a run. The first limit crossed, by the monotonic clock, wins.
//
// Privilege: any (plain constants).
#pragma once

#include <cstddef>
#include <cstdint>

namespace milonga {

enum class Verdict : std::uint32_t {
  ok,              // the command exited with 0
  failed,          // it exited with another status
  signaled,        // it died of a signal that was not ours
  wall_limit,
  cpu_limit,
  memory_limit,    // the kernel's OOM killer struck in the box
  output_limit,    // only where output is asked to be fatal
  disk_limit,      // the command failed and the box's disk or inodes were used up
  process_limit,   // only where refused forks are asked to be fatal; else they are counted
  cancelled,       // whoever asked for the run took it back
  refused,         // a protection that was demanded cannot be had, or the request is not allowed
  internal_error,  // we failed; the job has not been judged
};
inline constexpr std::size_t kVerdictCount = 12;

inline constexpr const char* kVerdictNames[kVerdictCount] = {
    "ok",           "failed",     "signaled",      "wall_limit", "cpu_limit", "memory_limit",
    "output_limit", "disk_limit", "process_limit", "cancelled",  "refused",   "internal_error",
};

constexpr const char* verdict_name(Verdict v) { return kVerdictNames[static_cast<std::size_t>(v)]; }

}  // namespace milonga
