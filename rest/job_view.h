// A job of the queue as Tango's /jobs/ shows it, which Autolab takes apart by
// its own rules (docs/tango.md): the last line of the trace says what became of it.
//
// Privilege: none.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "queue/queue.h"

namespace milonga::rest {

// Labels of jobs that came by REST (queue/job.h).
inline constexpr const char* kFileLabel = "file:";   // file:<destFile> -> localFile
inline constexpr const char* kImageLabel = "image";  // as the client named it
inline constexpr const char* kCoresLabel = "cores";

std::int64_t unix_ms();

// `output`: Job::output as it is shown, "courselabs/<id>-<lab>/output/NAME".
boost::json::object job_row(const queue::Status& status, const std::string& output);

// Its lines, "<ctime>|<text>"; there is always one, and never a '|' in the text.
std::vector<std::string> trace_of(const queue::Status& status);

// "verdict" of autodriver's report; empty if the job was not run.
std::string verdict_of(const queue::ResultRecord& result);

}  // namespace milonga::rest
