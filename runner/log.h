// The daemon's log is the one of all services (base/log.h), by the names that
// the daemon's files use.
//
// Privilege: none.
#pragma once

#include "base/log.h"  // IWYU pragma: export

namespace milonga::runner {

using milonga::Level;
using milonga::log;
using milonga::write_line;

}  // namespace milonga::runner
