// The process of the box that becomes the job: unpacks its files, lowers its
// limits, loads its filter, executes the command. It has the job's ids and no
// capability from its first instruction on.
//
// Sources: setrlimit(2), seccomp(2), core(5).
// Privilege: job.
#pragma once

#include "sandbox/core/fail.h"
#include "sandbox/core/init.h"

namespace milonga::core {

// Returns only if it failed.
Fail become_job(const BoxPlan& plan);

}  // namespace milonga::core
