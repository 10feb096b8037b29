#include "cli/describe.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/size.h"
#include "cli/command.h"

namespace milonga::cli {
namespace {

namespace json = boost::json;

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::value or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

// Text that is JSON already; null if it is empty or broken.
json::value embedded(const std::string& text) {
  boost::system::error_code error;
  json::value parsed = json::parse(text, error);
  return error ? json::value(nullptr) : parsed;
}

std::string ending(const ReportView& report) {
  const std::string name = verdict_name(report.verdict);
  if (report.verdict == Verdict::failed && report.exit_code)
    return fmt::format("{}, exit status {},", name, *report.exit_code);
  if (report.verdict == Verdict::signaled && report.signal)
    return fmt::format("{} by {}", name, *report.signal);
  return name;
}

}  // namespace

std::string sentence(const ReportView& report) {
  if (!report.error.empty()) return std::string(verdict_name(report.verdict)) + ": " + report.error;
  std::string text = ending(report);
  if (report.wall_s)
    text += fmt::format(" {} {:.2f} s", exit_status_of(report.verdict) == kLimit ? "after" : "in",
                        *report.wall_s);
  if (report.stopped_by) text += " by " + *report.stopped_by;
  if (report.cpu_s) text += fmt::format(", cpu {:.2f} s", *report.cpu_s);
  if (report.memory_peak_bytes) text += ", peak " + human_size(*report.memory_peak_bytes);
  if (report.forks_refused.value_or(0) > 0) text += fmt::format(", {} forks refused", *report.forks_refused);
  if (report.output_bytes && report.output_kept_bytes && *report.output_kept_bytes < *report.output_bytes)
    text += ", output cut from " + human_size(*report.output_bytes);
  return text;
}

std::string sentence(const queue::Status& status) {
  if (!status.record_error.empty() && !status.result) return "unreadable: " + status.record_error;
  if (status.state == queue::State::waiting) {
    const std::string again = status.attempt > 0 ? fmt::format(", after attempt {}", status.attempt) : "";
    return status.position == 0 ? "waiting, next" + again
                                : fmt::format("waiting, {} before it{}", status.position, again);
  }
  if (status.state == queue::State::running) {
    const std::string attempt = status.attempt > 1 ? fmt::format(", attempt {}", status.attempt) : "";
    return (status.cancel_requested ? "running, being cancelled" : "running") + attempt;
  }
  if (const auto report = report_of(status)) return sentence(*report);
  return std::string(verdict_name(verdict_of(status))) + ": " + status.result->reason;
}

std::string sentence(const queue::Stats& stats) {
  return fmt::format("{} waiting, {} running, {} done", stats.waiting, stats.running, stats.done);
}

std::optional<ReportView> report_of(const queue::Status& status) {
  if (!status.result || status.result->report_json.empty()) return std::nullopt;
  auto report = parse_report(status.result->report_json);
  return report ? std::optional(std::move(*report)) : std::nullopt;
}

Verdict verdict_of(const queue::Status& status) {
  if (status.state != queue::State::done) bug("a job that is not done has no verdict");
  if (!status.result) return Verdict::internal_error;  // its record cannot be read
  if (status.result->outcome == queue::Outcome::cancelled) return Verdict::cancelled;
  const auto report = report_of(status);
  return report && status.result->outcome == queue::Outcome::graded ? report->verdict
                                                                    : Verdict::internal_error;
}

int exit_status_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return kOk;
    case Verdict::failed:
    case Verdict::signaled:
      return kJobFailed;
    case Verdict::wall_limit:
    case Verdict::cpu_limit:
    case Verdict::memory_limit:
    case Verdict::output_limit:
    case Verdict::disk_limit:
    case Verdict::process_limit:
      return kLimit;
    case Verdict::cancelled:
      return kCancelled;
    case Verdict::refused:
    case Verdict::internal_error:
      return kFailed;
  }
  bug("a verdict without exit status");
}

int exit_status_of(const queue::Status& status) {
  if (!status.record_error.empty() && !status.result) return kFailed;
  return status.result ? exit_status_of(verdict_of(status)) : kOk;
}

const char* state_name(queue::State state) {
  static constexpr const char* kNames[] = {"waiting", "running", "done"};
  return kNames[static_cast<std::size_t>(state)];
}

json::object to_json(const queue::Status& status) {
  const queue::Job& job = status.job;
  const bool done = status.state == queue::State::done && status.result;
  const ReportView report = report_of(status).value_or(ReportView{});
  json::object out;
  out["id"] = job.id;
  out["name"] = or_null(job.name);  // null also for the moment between a result and the move of its record
  out["lane"] = or_null(job.lane);
  out["class"] = job.job_class == queue::JobClass::bulk ? "bulk" : "interactive";
  out["state"] = state_name(status.state);
  out["attempt"] = status.attempt;
  out["position"] = status.position < 0 ? json::value(nullptr) : json::value(status.position);
  out["runner"] = or_null(status.runner);
  out["cancel_requested"] = status.cancel_requested;
  out["created_ms"] = job.created_ms == 0 ? json::value(nullptr) : json::value(job.created_ms);
  out["finished_ms"] = done ? json::value(status.result->finished_ms) : json::value(nullptr);
  out["verdict"] = done ? json::value(verdict_name(verdict_of(status))) : json::value(nullptr);
  out["reason"] = done ? or_null(status.result->reason) : json::value(nullptr);
  out["exit_code"] = or_null(report.exit_code);
  out["signal"] = or_null(report.signal);
  out["wall_s"] = or_null(report.wall_s);
  out["cpu_s"] = or_null(report.cpu_s);
  out["memory_peak_bytes"] = or_null(report.memory_peak_bytes);
  out["stopped_by"] = or_null(report.stopped_by);
  out["feedback"] = done ? or_null(status.result->feedback_path) : json::value(nullptr);
  out["publish_error"] = or_null(status.publish_error);
  out["record_error"] = or_null(status.record_error);
  out["timing"] = done ? embedded(status.result->timing_json) : json::value(nullptr);
  out["report"] = done ? embedded(status.result->report_json) : json::value(nullptr);
  return out;
}

}  // namespace milonga::cli
