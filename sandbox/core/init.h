// The inside of a box: its init (pid 1) and the process that becomes the job.
//
//   supervisor ──clone3──▶ init: join cgroup, root ──fork──▶ job: ids, files, rlimits, filter, exec
//
// init dies with the supervisor (PR_SET_PDEATHSIG), and the kernel kills the
// whole pid namespace with init; so nothing of the box can outlive either.
// init reaps, and when the command has ended it reports and exits, which ends
// everything that the command left behind.
//
// Privilege: root; after the fork, init has no capability, and the process of the job has become() the job.
#pragma once

#include <cstdint>

#include "sandbox/core/box_status.h"
#include "sandbox/core/cgroup.h"
#include "sandbox/core/fail.h"
#include "sandbox/core/root.h"
#include "sandbox/model/request.h"

namespace milonga::core {

// What is done from inside, and less well, where no cgroup does it (the evidence says so).
struct Fallbacks {
  bool trace_cpu = false;
  bool memory_by_rlimit = false;     // RLIMIT_DATA, for each process
  bool processes_by_rlimit = false;  // RLIMIT_NPROC, of the box's own user
  bool landlock = false;             // files by Landlock
  bool socket_filter = false;        // no socket but AF_UNIX
};

struct BoxPlan {
  const Request* request = nullptr;
  const BoxCgroup* cgroup = nullptr;
  Fallbacks fallbacks;
  RootPlan root;
  std::uint64_t outside_ns[kNsCount] = {};  // the supervisor's namespaces
};

// Runs in the cloned process, as pid 1 of the box. Never returns.
[[noreturn]] void run_init(const BoxPlan& plan);

}  // namespace milonga::core
