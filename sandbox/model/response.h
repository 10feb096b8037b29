// What autodriver-core answers over the control socket: exactly one Response
// per request, of fixed size. The front turns it into the JSON report
// (docs/report.schema.json).
//
// Privilege: any (plain data).
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sandbox/model/evidence.h"
#include "sandbox/model/verdict.h"

namespace milonga {

// The steps of a run, in their order. A refusal names one; exit code of the
// core is 20 + step; each step's time is in the report.
enum class Step : std::uint32_t {
  start,       // hostile-start rules: arguments, descriptors, ids, capabilities
  request,     // read and range-check the request
  authority,   // may this caller do that
  slot,        // lock a slot (uid and names) and remove what a dead box left in it
  cgroup,      // create the leaf, write the limits, read them back
  spawn,       // clone into namespaces and cgroup
  root,        // mounts and pivot_root                       (in the box)
  identity,    // ids, capabilities, no_new_privs             (in the box)
  input,       // unpack the job's files, with its own rights (in the box)
  rlimits,     //                                             (in the box)
  filter,      // seccomp                                     (in the box)
  exec,        //                                             (in the box)
  run,         // the job's own time
  reap,        // everything dead
  account,     // read the counters
  remove,      // cgroup gone, slot free
};
inline constexpr std::size_t kStepCount = 16;

inline constexpr const char* kStepNames[kStepCount] = {
    "start", "request", "authority", "slot",   "cgroup", "spawn", "root",    "identity",
    "input", "rlimits", "filter",    "exec",   "run",    "reap",  "account", "remove",
};
constexpr const char* step_name(Step s) { return kStepNames[static_cast<std::size_t>(s)]; }
inline constexpr int kStepExitBase = 20;

inline constexpr std::uint32_t kResponseMagic = 0x4d4c4752;  // "MLGR"

// Namespaces as ls -l /proc/self/ns shows them: inode numbers inside the box.
enum class Ns : std::uint32_t { mnt, pid, net, ipc, uts, cgroup, user };
inline constexpr std::size_t kNsCount = 7;
inline constexpr const char* kNsNames[kNsCount] = {"mnt", "pid", "net", "ipc", "uts", "cgroup", "user"};

// What the box could be made of.
enum class BoxKind : std::uint32_t { root, user_namespace, container };
inline constexpr const char* kBoxKindNames[] = {"root", "user namespace", "container"};

inline constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

// No kernel tells the split at the peak. At the limit they are the same.
struct MemorySplit {
  std::uint64_t anon = kUnknown, file = kUnknown, shmem = kUnknown, kernel = kUnknown;  // bytes
};

// What the box used; kUnknown where this kernel does not tell.
struct Usage {
  std::uint64_t cpu_ns = kUnknown, cpu_user_ns = kUnknown, cpu_system_ns = kUnknown;
  std::uint64_t memory_peak_bytes = kUnknown;
  std::uint64_t kernel_peak_bytes = kUnknown;      // of these at most for the kernel's own objects; v1 alone tells
  std::uint64_t oom_kills = kUnknown;
  MemorySplit at_limit;                            // when the limit was reached last
  std::uint64_t processes_peak = kUnknown;  // pids.peak is new (Linux 6.1)
  std::uint64_t forks_refused = kUnknown;
  std::uint64_t disk_bytes = kUnknown, inodes = kUnknown;  // at the end of the run
};

inline constexpr std::size_t kRlimitCount = 16;  // sandbox/policy/rlimits.h has the table
inline constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};
struct Rlimit {
  std::uint64_t soft = kNoLimit, hard = kNoLimit;
};

// Read back inside the box, by the process that became the job. All ones: it did not come to that.
struct Inside {
  std::uint64_t cap_inheritable = ~0ull, cap_permitted = ~0ull, cap_effective = ~0ull, cap_bounding = ~0ull,
                cap_ambient = ~0ull;
  std::uint32_t no_new_privs = ~0u;
  std::uint32_t seccomp_mode = ~0u;  // 2 = filter
  std::uint64_t ns_inode[kNsCount] = {};
  Rlimit rlimits[kRlimitCount];
};

struct Response {
  std::uint32_t magic = kResponseMagic;
  std::uint32_t version = 1;
  Verdict verdict = Verdict::internal_error;
  Step failed_step = Step::start;  // with refused and internal_error
  std::int32_t failed_errno = 0;   // likewise; 0 = not a system call's
  char failed_what[160] = {};      // likewise; one sentence without the final dot
  std::int32_t wait_status = 0;    // of the command, as waitpid(2) gives it
  std::uint32_t wait_status_known = 0;  // 0: it was killed with the box before it ended
  std::uint32_t kill_signal = 0;   // the signal that the supervisor sent, or 0
  std::uint32_t uid = 0, slot = 0;
  BoxKind kind = BoxKind::root;

  // CLOCK_MONOTONIC, ns; 0 = did not happen
  std::uint64_t began_ns = 0;      // core's first instruction
  std::uint64_t started_ns = 0;    // exec of the command
  std::uint64_t deadline_ns = 0;   // the wall limit's, as armed
  std::uint64_t detected_ns = 0;   // a limit was seen to be crossed, a cancel arrived
  std::uint64_t kill_sent_ns = 0;
  std::uint64_t ended_ns = 0;      // the command was reaped by the box's init
  std::uint64_t dead_ns = 0;       // nothing of the box is alive
  std::uint64_t step_ns[kStepCount] = {};

  Evidence evidence[kDemandCount];
  Usage usage;

  Inside inside;
};
static_assert(std::is_trivially_copyable_v<Response>);

}  // namespace milonga
