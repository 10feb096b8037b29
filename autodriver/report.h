// The report of a run: what the core answered and what the front counted, as
// JSON (docs/report.schema.json, docs/report.md). Unknown is null, never 0.
//
// Privilege: none.
#pragma once

#include <optional>
#include <string>

#include "autodriver/certificate.h"
#include "autodriver/report_view.h"
#include "base/core/unique_fd.h"
#include "base/result.h"
#include "sandbox/model/response.h"
#include "sandbox/policy/profiles.h"

namespace milonga {

// A run as the front knows it when all is over.
struct Outcome {
  Response response;
  Limits limits;                        // as asked for
  ProfileId profile = ProfileId::course;
  std::string error;                    // refused, internal_error: instead of the core's shorter text
  std::uint64_t output_bytes = 0;       // written by the job
  std::uint64_t output_kept_bytes = 0;  // of these, handed on
  std::string output_sha256;            // of all that was written; empty: there was no box
  bool made_ahead = false;               // the box waited for its job (--warm)
  std::optional<SelftestMark> selftest;  // of this host, these programs and boxes of this kind
};

// The demand whose limit ended the run, if one did.
std::optional<Demand> demand_hit(const Response& response);

ReportView view_of(const Outcome& outcome);

// One line of JSON with its line end.
std::string report_json(const Outcome& outcome);

// Where --report FILE goes, made before the run: what is there and is no plain file
// (a device, a FIFO, a link) is opened now, and will be written to as it is; a plain
// one is replaced when the report is there, so that FILE is never half a report.
class ReportFile {
 public:
  static Result<ReportFile> prepare(const std::string& file);  // waits for the reader of a FIFO
  Result<> write(const Outcome& outcome) const;

 private:
  std::string file_;
  UniqueFd open_;  // not valid: to be replaced
};

}  // namespace milonga
