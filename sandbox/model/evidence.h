// What was asked, by which mechanism of the kernel it was enforced, at which
// rung of the ladder, what the kernel said when asked back, and what was
// counted. Promise 3: no limit without such a row, and unknown is never 0.
//
// Privilege: any (plain constants and one plain struct).
#pragma once

#include <cstddef>
#include <cstdint>

namespace milonga {

// What a box promises. The first nine are the limits, in the order of LimitId.
enum class Demand : std::uint32_t {
  wall,
  cpu,
  memory,
  processes,
  disk,
  inodes,
  file_size,
  open_files,
  output,
  kill,        // nothing of the box outlives it
  swap,        // the memory limit is not stretched by swap
  network,
  filesystem,  // own root, nothing of the host writable
  visibility,  // other users' processes and IPC objects are out of sight
  privilege,   // no way to gain any
  syscalls,    // seccomp filter
};
inline constexpr std::size_t kDemandCount = 16;

inline constexpr const char* kDemandNames[kDemandCount] = {
    "wall",       "cpu",    "memory", "processes", "disk",    "inodes",     "file_size",  "open_files",
    "output",     "kill",   "swap",   "network",   "filesystem", "visibility", "privilege", "syscalls",
};
constexpr const char* demand_name(Demand d) { return kDemandNames[static_cast<std::size_t>(d)]; }

// Rungs (design: the ladder). 0 none, 1 best effort, 2 bounded, 3 strong, 4 exact.
enum class Rung : std::uint32_t { none, best_effort, bounded, strong, exact };
inline constexpr const char* kRungNames[5] = {"none", "best_effort", "bounded", "strong", "exact"};
constexpr const char* rung_name(Rung r) { return kRungNames[static_cast<std::size_t>(r)]; }

enum class Mechanism : std::uint32_t {
  none,
  timerfd,            // CLOCK_MONOTONIC timer in the supervisor, SIGKILL to the box
  cgroup1_cpuacct,    // cpuacct.usage, read at the earliest moment at which the limit can be reached
  cgroup2_cpu_stat,   // cpu.stat usage_usec, likewise
  cgroup1_memory,     // memory.limit_in_bytes
  cgroup2_memory,     // memory.max, memory.oom.group
  cgroup1_memsw,      // memory.memsw.limit_in_bytes = memory limit
  cgroup1_swappiness, // memory.swappiness = 0: bounded only
  cgroup2_swap_max,   // memory.swap.max = 0
  no_swap_present,    // the host has no swap at all
  cgroup1_pids,       // pids.max
  cgroup2_pids,       // pids.max
  tmpfs_size,
  tmpfs_inodes,
  rlimit_fsize,
  rlimit_nofile,
  output_pipe,        // drained and counted outside the box
  pid_namespace,      // SIGKILL to pid 1 of the box
  net_namespace,      // empty
  host_network,       // asked for: shared with the host
  own_root,           // mount namespace, pivot_root, read-only image
  namespaces,         // pid, ipc, uts, cgroup, own uid, /proc hidepid+subset=pid
  no_new_privs,       // with empty capability sets
  seccomp_filter,
  ptrace_clocks,      // every process's own clock, read by the tracer when it dies
  rlimit_data,        // per process
  rlimit_nproc,       // of a user of its own
  rlimit_fsize_each,  // for the disk: no file is larger than the limit
  exit_kill,          // the tracer's death, then kill(-1) by the job's uid
  container_network,  // the container's, which has loopback alone
  landlock,           // and file permissions of a uid of its own
  own_uid,            // alone
  socket_filter,      // no socket but AF_UNIX
  net_loopback,       // a namespace with nothing but its own loopback interface
};
inline constexpr std::size_t kMechanismCount = 34;

inline constexpr const char* kMechanismNames[kMechanismCount] = {
    "none",
    "timerfd",
    "cgroup v1 cpuacct.usage",
    "cgroup v2 cpu.stat",
    "cgroup v1 memory.limit_in_bytes",
    "cgroup v2 memory.max",
    "cgroup v1 memory.memsw.limit_in_bytes",
    "cgroup v1 memory.swappiness",
    "cgroup v2 memory.swap.max",
    "host without swap",
    "cgroup v1 pids.max",
    "cgroup v2 pids.max",
    "tmpfs size",
    "tmpfs nr_inodes",
    "RLIMIT_FSIZE",
    "RLIMIT_NOFILE",
    "pipe with cap",
    "SIGKILL to the pid namespace's init",
    "network namespace",
    "host network",
    "mount namespace with own root",
    "pid, ipc, uts, cgroup namespaces and own uid",
    "no_new_privs and empty capability sets",
    "seccomp filter",
    "CPU clocks of all processes, by ptrace",
    "RLIMIT_DATA of each process",
    "RLIMIT_NPROC of a user of its own",
    "RLIMIT_FSIZE of each file",
    "death of the tracer, then kill(-1) by the job's uid",
    "the container's network, loopback alone",
    "Landlock and a uid of its own",
    "a uid of its own",
    "seccomp filter: AF_UNIX sockets only",
    "network namespace with its own loopback",
};
constexpr const char* mechanism_name(Mechanism m) { return kMechanismNames[static_cast<std::size_t>(m)]; }

// One demand of one run. Values in the kept units of limits.h (ns, bytes,
// counts) or 1 for "yes". `known` says which of the numbers mean anything.
struct Evidence {
  enum Known : std::uint32_t { kRequested = 1, kReadBack = 2, kCounter = 4 };
  Mechanism mechanism = Mechanism::none;
  Rung rung = Rung::none;
  std::uint32_t known = 0;
  std::uint32_t hit = 0;        // 1: the limit was reached in this run
  std::uint64_t requested = 0;  // 0 and not known: nothing was asked
  std::uint64_t read_back = 0;  // what the kernel says is in force
  std::uint64_t counter = 0;    // what was used or counted: peak bytes, ns, refused forks, ...
};
static_assert(sizeof(Evidence) == 40);

}  // namespace milonga
