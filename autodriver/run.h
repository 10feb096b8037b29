// One run, from the directory to the last byte of output: the front's main flow.
//
// Privilege: none; autodriver-core does what needs some.
#pragma once

#include "autodriver/command_line.h"
#include "autodriver/report.h"

namespace milonga {

struct RunResult {
  Outcome outcome;
  int exit_code = 3;
  std::string complaint;  // what to say on stderr; empty: nothing
  bool no_job = false;    // of --warm: the owner went without giving one
};

// Never fails: what goes wrong is a verdict (refused, internal_error) of the
// outcome. The job's output is on stdout when this returns. With --warm the name
// of the report file comes with the job, and is put into the line.
RunResult run_job(CommandLine& line);

// autodriver gc: removes what killed supervisors left behind.
Result<> collect();

}  // namespace milonga
