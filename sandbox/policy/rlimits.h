// The resource limits of a job's processes (setrlimit(2)), all that the kernel
// has: the two that a run chooses (sandbox/model/limits.h) are lowered besides.
// Each is per process or per user, and a box's user is its own, so that no two
// boxes share a count.
//
// Privilege: any (plain constants).
#pragma once

#include <sys/resource.h>

#include <cstddef>
#include <cstdint>

#include "sandbox/model/response.h"

namespace milonga {


struct RlimitRow {
  int resource;
  const char* name;  // key in the report
  std::uint64_t soft, hard;  // kNoLimit: as the caller has it
  const char* why;
};
inline constexpr RlimitRow kRlimits[] = {
    {RLIMIT_CPU, "cpu", kNoLimit, kNoLimit, "counts one process; the box as a whole has its own limit"},
    {RLIMIT_FSIZE, "fsize", kNoLimit, kNoLimit, "--file-size"},
    {RLIMIT_DATA, "data", kNoLimit, kNoLimit, "counts one process; the box as a whole has its own limit"},
    {RLIMIT_STACK, "stack", 8u << 20, kNoLimit,
     "what programs expect, whatever the caller has: of \"unlimited\" threads take 2 MiB and mmap another layout; a job may "
     "raise it as far as its memory goes"},
    {RLIMIT_CORE, "core", 1, 1,
     "1, not 0: a core_pattern that is a pipe starts its handler, as root and outside of every limit, unless the limit is "
     "exactly 1 (core(5), do_coredump()); and no file is that small"},
    {RLIMIT_RSS, "rss", kNoLimit, kNoLimit, "has no effect since Linux 2.4.30"},
    {RLIMIT_NPROC, "nproc", kNoLimit, kNoLimit, "--pids, by the cgroup"},
    {RLIMIT_NOFILE, "nofile", kNoLimit, kNoLimit, "--open-files"},
    {RLIMIT_MEMLOCK, "memlock", 8u << 20, 8u << 20, "memory that cannot be reclaimed; Debian's default"},
    {RLIMIT_AS, "as", kNoLimit, kNoLimit, "counts addresses, not memory: sanitizers and Go reserve terabytes"},
    {RLIMIT_LOCKS, "locks", kNoLimit, kNoLimit, "has no effect since Linux 2.4.25"},
    {RLIMIT_SIGPENDING, "sigpending", 4096, 4096,
     "queued signals and POSIX timers are kernel memory; 4096 threads may have one each"},
    {RLIMIT_MSGQUEUE, "msgqueue", 819200, 819200, "POSIX message queues are kernel memory; the kernel's default"},
    {RLIMIT_NICE, "nice", 0, 0, "no priority above the host's own programs"},
    {RLIMIT_RTPRIO, "rtprio", 0, 0, "a real-time loop would take a CPU from everybody"},
    {RLIMIT_RTTIME, "rttime", kNoLimit, kNoLimit, "there is no real-time scheduling to bound"},
};
static_assert(kRlimitCount == RLIM_NLIMITS && sizeof kRlimits == kRlimitCount * sizeof(RlimitRow), "a limit that nobody has thought about is the caller's");

namespace detail {
constexpr bool rlimits_are_in_order() {
  for (std::size_t i = 0; i < kRlimitCount; ++i)
    if (kRlimits[i].resource != static_cast<int>(i)) return false;
  return true;
}
static_assert(rlimits_are_in_order(), "so that a resource's number is its row's");
}  // namespace detail

// What else is bounded for every box alike, by which line.
struct FixedRow {
  const char* name;
  const char* how;
  const char* why;
};
inline constexpr FixedRow kFixed[] = {
    {"ptys", "16, by the max= of the box's own devpts (sandbox/policy/mounts.h)", "the host has 4096 for all"},
    {"keys", "none: add_key, keyctl and request_key fail (sandbox/policy/syscalls.h)", "a keyring outlives its processes"},
    {"inotify", "fs.inotify.max_user_* of the host, for the box's own user", "watches of one box are not another's"},
    {"sysv_ipc", "kernel.shm*, msg*, sem* of the box's own ipc namespace; removed with it", "segments outlive their processes"},
};

}  // namespace milonga
