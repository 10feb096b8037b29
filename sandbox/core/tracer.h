// CPU time of everything in a box, exactly, where there is no cgroup that counts
// it: the box's init traces all processes, only to be the first to hear of each
// one's death. A traced process stays until its tracer has looked, also where
// its parent ignores SIGCHLD, and then its own clock tells the whole of it.
// Costs some 30 us a fork; nothing per system call. Nobody else in the box can
// trace: gdb and strace do not work in such a box.
//
// Sources: ptrace(2) (PTRACE_SEIZE, "Death under ptrace"), clock_getcpuclockid(3), waitid(2) WNOWAIT.
// Privilege: job.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>

#include <cstdint>

#include "sandbox/core/fail.h"

namespace milonga::core {

inline constexpr long kTraceOptions =
    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

// `job` is traced already, with these options (init.cpp). Follows it and all that it starts until it has ended; gives its
// wait status, and what was used since its exec in message().traced_cpu_ns. BoxEvent::cpu_limit is told once when
// `limit_ns` (0: none) is used up.
Fail trace_to_the_end(pid_t job, std::uint64_t limit_ns, int& wait_status);

}  // namespace milonga::core
