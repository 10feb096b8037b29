// A job in words, as JSON and as an exit status.
//
// Privilege: none. Pure.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>

#include "autodriver/report_view.h"
#include "queue/queue.h"

namespace milonga::cli {

// "ok in 0.31 s, cpu 0.28 s, peak 41.3 MiB"; unknown numbers are left out.
std::string sentence(const ReportView& report);
std::string sentence(const queue::Status& status);
std::string sentence(const queue::Stats& stats);  // "3 waiting, 1 running, 20 done"

// The verdict of a job that is done: of its report; without one `cancelled`,
// or `internal_error` (gave up, or a report or record that cannot be read).
Verdict verdict_of(const queue::Status& status);
int exit_status_of(Verdict verdict);
// Of whoever asks for one job: kOk while it is not done, kFailed if its record cannot be read.
int exit_status_of(const queue::Status& status);

// The report of a job that is done and whose box ran; nothing if there is none or it cannot be read.
std::optional<ReportView> report_of(const queue::Status& status);

// All that is known of the job, with its report; null = unknown or not yet. The
// fields are those of docs/man/milonga.1.scd, JSON OUTPUT.
boost::json::object to_json(const queue::Status& status);

const char* state_name(queue::State state);

}  // namespace milonga::cli
