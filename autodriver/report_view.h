// What other programs want to know of a report (docs/report.schema.json),
// without its JSON.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sandbox/model/limits.h"
#include "sandbox/model/verdict.h"

namespace milonga {

// Absent = unknown, or did not happen; never 0 for that.
struct ReportView {
  Verdict verdict = Verdict::internal_error;
  std::optional<int> exit_code;       // of the command
  std::optional<std::string> signal;  // that it died of: "SIGSEGV"
  std::string error;                  // refused, internal_error: "cgroup: cannot set the memory limit: ..."
  std::optional<std::string> stopped_by;  // the mechanism of the limit that ended the run
  std::optional<double> wall_s, cpu_s;
  std::optional<std::uint64_t> memory_peak_bytes, processes_peak, forks_refused, oom_kills;
  std::optional<std::uint64_t> disk_bytes, inodes, output_bytes, output_kept_bytes;
  Limits limits;  // what was asked for, in the kept units of limits.h; 0 = no limit
};

// Reads a report. Fails, naming the field, if it is not one.
Result<ReportView> parse_report(std::string_view json);

}  // namespace milonga
