// The table of limits: one row per limit is its only home. Options, help, man
// page, report keys and defaults are all made from it.
//
// Privilege: any (plain constants).
#pragma once

#include <cstddef>
#include <cstdint>

namespace milonga {

enum class LimitId : std::uint32_t {
  wall,
  cpu,
  memory,
  processes,
  disk,
  inodes,
  file_size,
  open_files,
  output,
};
inline constexpr std::size_t kLimitCount = 9;

enum class LimitUnit : std::uint32_t { seconds, bytes, count };

struct LimitRow {
  LimitId id;
  const char* name;    // key in the report, in job records and in --require
  const char* option;  // long option without the dashes
  LimitUnit unit;      // seconds are kept as nanoseconds, bytes as bytes
  std::uint64_t default_value;  // in the kept unit; 0 = no limit
  std::uint64_t minimum;        // smallest value that can work at all
  std::uint64_t maximum;
  const char* why;     // what goes wrong without it, and why this default
};

inline constexpr std::uint64_t kSecond = 1'000'000'000;  // ns
inline constexpr std::uint64_t kMiB = 1024 * 1024;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

inline constexpr LimitRow kLimits[kLimitCount] = {
    {LimitId::wall, "wall", "wall-time", LimitUnit::seconds, 0, 1'000'000, 7 * 24 * 3600 * kSecond,
     "a job that sleeps or waits for input would hold its slot for ever; none by default, as in Tango's autodriver"},
    {LimitId::cpu, "cpu", "cpu-time", LimitUnit::seconds, 0, 1'000'000, 7 * 24 * 3600 * kSecond,
     "a loop in every process would burn all cores for the whole wall time; none by default, the wall limit decides"},
    {LimitId::memory, "memory", "memory", LimitUnit::bytes, 2 * kGiB, 4 * kMiB, 1024 * kGiB,
     "one job must not push the host into the OOM killer; 2 GiB runs gcc, JVMs and pandas"},
    {LimitId::processes, "processes", "pids", LimitUnit::count, 512, 2, 1'000'000,
     "fork bombs; threads count; 512 lets make -j and JVMs run"},
    {LimitId::disk, "disk", "disk", LimitUnit::bytes, kGiB, kMiB, 1024 * kGiB,
     "everything writable in the box is one tmpfs of this size, charged to the memory limit as well"},
    {LimitId::inodes, "inodes", "inodes", LimitUnit::count, 100'000, 64, 100'000'000,
     "a million empty files take no bytes of the disk limit, but kernel memory and time"},
    {LimitId::file_size, "file_size", "file-size", LimitUnit::bytes, 0, 1, 1024 * kGiB,
     "RLIMIT_FSIZE: largest file a job may write; none by default, the disk limit bounds all files together"},
    {LimitId::open_files, "open_files", "open-files", LimitUnit::count, 1024, 16, 1'000'000,
     "RLIMIT_NOFILE: file tables are kernel memory; 1024 is what programs expect"},
    {LimitId::output, "output", "output", LimitUnit::bytes, 16 * kMiB, 64, kGiB,
     "bytes of output kept: head and tail stay, the middle is counted and dropped"},
};

constexpr const LimitRow& limit_row(LimitId id) { return kLimits[static_cast<std::size_t>(id)]; }

namespace detail {
constexpr bool limits_are_sound() {
  for (std::size_t i = 0; i < kLimitCount; ++i) {
    const LimitRow& row = kLimits[i];
    if (static_cast<std::size_t>(row.id) != i || row.why[0] == '\0') return false;
    if (row.default_value != 0 && (row.default_value < row.minimum || row.default_value > row.maximum)) return false;
  }
  return true;
}
static_assert(limits_are_sound(), "each limit: in order of its id, with a why, default within its bounds");
}  // namespace detail

// The values of one run, in the kept units; 0 = no limit.
struct Limits {
  std::uint64_t value[kLimitCount] = {};

  constexpr std::uint64_t& operator[](LimitId id) { return value[static_cast<std::size_t>(id)]; }
  constexpr const std::uint64_t& operator[](LimitId id) const { return value[static_cast<std::size_t>(id)]; }
};

constexpr Limits default_limits() {
  Limits limits;
  for (const LimitRow& row : kLimits) limits[row.id] = row.default_value;
  return limits;
}

}  // namespace milonga
