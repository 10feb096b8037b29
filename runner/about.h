// How the daemon introduces itself to those who look at the queue (Queue::introduce).
//
// Privilege: none.
#pragma once

#include <string>

#include "runner/options.h"

namespace milonga::runner {

// {"host", "pid", "version", "driver", "slots", "warm", "since_ms"}, and of the ssh driver
// "places": its hosts, each with "name" and "weight".
std::string about_json(const DaemonOptions& options);

}  // namespace milonga::runner
