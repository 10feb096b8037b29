// A job's input files, as a driver that works with files wants them.
//
// Privilege: none.
#pragma once

#include "base/result.h"
#include "queue/queue.h"

namespace milonga::runner {

// Writes every file below <work_dir>/input/<directory>, which is new and ours; no name of a job leads out of
// it.
Result<void> write_job_files(queue::Queue& queue, const queue::Claim& claim);

}  // namespace milonga::runner
