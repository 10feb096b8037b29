// The box that a job asks for: what its record says, completed by what the daemon sets.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <string>

#include "autodriver/options.h"
#include "base/result.h"
#include "queue/job.h"

namespace milonga::runner {

// `image`: of the box itself, `default` where the platform has given it already. A job without a wall limit
// gets `default_wall`. Fails, naming it, if an option does not exist: the record is at fault, and no other
// attempt would go better.
Result<BoxOptions> box_of(const queue::Job& job, const std::string& image, std::chrono::seconds default_wall);

}  // namespace milonga::runner
