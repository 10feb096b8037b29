// The feedback file as Tango writes it, which Autolab and course scripts read:
//
//   Autograder [Mon Nov 23 06:05:03 2026]: Received job NAME:ID
//   Autograder [Mon Nov 23 06:05:04 2026]: Success: Autodriver returned normally
//   Autograder [Mon Nov 23 06:05:04 2026]: Here is the output from the autograder:
//   ---
//   Autodriver: Job exited with status 0
//   ...the job's output; its last line stays the last, for that is where scores are
//
// Times are local ones, without a zone: students read them beside their deadline.
// Nobody parses them; what programs want is in the job's record, as Unix time.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <string>

#include "autodriver/report_view.h"
#include "base/result.h"
#include "queue/queue.h"

namespace milonga::runner {

// "Success: ..." or "Error: ...": one line, without '|', which traces use as a separator.
std::string final_reason(const ReportView& run);

struct FeedbackTimes {
  std::int64_t received_ms = 0, finished_ms = 0;  // UTC, Unix time
};

// The four lines, each with its end.
std::string feedback_header(const queue::Job& job, const std::string& reason, const FeedbackTimes& times);

// Writes <work_dir>/feedback from <work_dir>/output. Not flushed: the queue does that.
Result<void> write_feedback(const queue::Claim& claim, const std::string& reason, const ReportView* run,
                            const FeedbackTimes& times);

}  // namespace milonga::runner
