// One autodriver as a child process, waited for by events. SIGINT, SIGTERM and
// SIGHUP to us take the run back; our death ends it too (autodriver --lifeline).
//
// Privilege: none (the caller's).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace milonga::cli {

struct AutodriverRun {
  int exit_status = 3;
  std::string report_json;  // empty: it wrote none
  std::string messages;     // what it wrote to standard error
};

// Runs `autodriver --stream --lifeline --report FILE arguments...`, the one beside
// this program or else that of PATH, with the job's output on `output_fd` and FILE
// in a directory of our own. Fails if it cannot be started.
Result<AutodriverRun> run_autodriver(const std::vector<std::string>& arguments, int output_fd);

}  // namespace milonga::cli
