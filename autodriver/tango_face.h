// The sentences and exit codes of Tango's autodriver: the only place that knows
// them. Autolab and course scripts look for the first two, so they never change.
//
// Privilege: none.
#pragma once

#include <string>

#include "autodriver/report_view.h"

namespace milonga {

// The feedback's first line, without a line end:
//   Autodriver: Job exited with status 0
//   Autodriver: Job timed out after 10 seconds
//   Autodriver: Job exceeded its memory limit of 64M
// (Tango says "status 0" of a job killed by a signal; we name the signal.)
std::string tango_headline(const ReportView& run);

// The same without "Autodriver: ".
std::string job_sentence(const ReportView& run);

// 0 the job ran, whatever its status, or hit another limit than wall; 2 wall
// limit; 3 refused, cancelled or failed. (1, bad usage, is found before a run.)
int tango_exit_code(Verdict verdict);

}  // namespace milonga
