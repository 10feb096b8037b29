// Watches one box until nothing of it is alive. One poll(2) over the events that
// can end a run; the first one, by the monotonic clock, is the verdict.
//
//   init's pidfd          the box is dead
//   status pipe           set-up failed | ready | the command has ended
//   control socket        a byte: cancel; end of file: the owner is gone
//   wall timerfd          wall_limit
//   cpu timerfd           armed for the earliest moment at which the CPU limit
//                         can be reached: what is left, divided by the CPUs
//   OOM event             memory_limit
//   pids.events           process_limit, where refused forks are asked to be fatal
//
// Sources: pidfd_open(2), timerfd_create(2), pid_namespaces(7) (killing init kills all).
// Privilege: root; the caller holds CAP_KILL raised (box.cpp says why).
#pragma once

#include "sandbox/core/cgroup.h"
#include "sandbox/core/fail.h"
#include "sandbox/core/init.h"
#include "sandbox/model/request.h"
#include "sandbox/model/response.h"

namespace milonga::core {

struct Watched {
  const Request* request = nullptr;
  const BoxCgroup* cgroup = nullptr;
  int init = -1;    // pidfd
  int status = -1;  // read end of the status pipe
  std::uint64_t traced_cpu_ns = 0;  // out: what the box's init counted, if it does; 0 = it was killed before it could say
  std::uint64_t setup_cpu_ns = 0;  // out: CPU of our own set-up inside the box's cgroup, not the job's
};

// Returns when the box is dead and its init is reaped. Fills in verdict, times,
// wait status and what the box told. A Fail: set-up failed inside, or we did;
// then the box has been killed.
Fail supervise(Watched& box, Response& response);

void end_box(const Watched& box);  // SIGKILL to all of it

}  // namespace milonga::core
