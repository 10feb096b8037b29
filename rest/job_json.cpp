#include "rest/job_json.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/core/unique_fd.h"
#include "rest/job_view.h"
#include "rest/scores.h"
#include "rest/utc.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

constexpr off_t kLastLine = 64 * 1024;

const char* outcome_name(queue::Outcome outcome) {
  switch (outcome) {
    case queue::Outcome::graded:
      return "graded";
    case queue::Outcome::cancelled:
      return "cancelled";
    case queue::Outcome::gave_up:
      break;
  }
  return "gave_up";
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

// What stopped it and what it used: from autodriver's report.
json::value evidence_of(const queue::ResultRecord& result) {
  json::error_code error;
  const json::value report = json::parse(result.report_json, error);
  if (error || !report.is_object()) return nullptr;
  json::object evidence;
  for (const char* name : {"exit_code", "signal", "stopped_by", "wall_s", "cpu_s", "memory_peak_bytes",
                           "processes_peak", "output_bytes"})
    if (const json::value* value = report.as_object().if_contains(name)) evidence[name] = *value;
  return evidence;
}

}  // namespace

const char* state_name(queue::State state) {
  constexpr const char* kNames[] = {"waiting", "running", "done"};
  return kNames[static_cast<int>(state)];
}

std::string lab_of(const queue::Job& job) {
  const bool by_rest = job.submitter.starts_with("rest:");
  const std::string prefix = by_rest ? job.submitter.substr(5) + "-" : "";
  return job.lane.starts_with(prefix) ? job.lane.substr(prefix.size()) : job.lane;
}

std::string feedback_end(const queue::ResultRecord& result) {
  UniqueFd fd(::open(result.feedback_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  const off_t size = std::min(st.st_size, kLastLine);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  const ssize_t n = ::pread(fd.get(), bytes.data(), bytes.size(), st.st_size - size);
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return bytes;
}

json::object job_json(const queue::Status& status) {
  const queue::Job& job = status.job;
  json::object out{{"id", job.id},
                   {"name", job.name},
                   {"lab", lab_of(job)},
                   {"state", state_name(status.state)},
                   {"attempt", status.attempt},
                   {"image", job.image},
                   {"created_at", iso_utc(job.created_ms)},
                   {"position", status.position < 0 ? json::value(nullptr) : json::value(status.position)},
                   {"cancel_requested", status.cancel_requested},
                   {"output_file", text_or_null(job.output.substr(job.output.rfind('/') + 1))},
                   {"error", text_or_null(status.record_error)}};
  if (!status.result) return out;
  const queue::ResultRecord& result = *status.result;
  out["outcome"] = outcome_name(result.outcome);
  out["verdict"] = text_or_null(verdict_of(result));
  out["reason"] = result.reason;
  out["finished_at"] = iso_utc(result.finished_ms);
  out["evidence"] = evidence_of(result);
  const std::string feedback = feedback_end(result);
  const auto scored = autoresult(feedback);
  const auto shown = scored ? presentation(feedback) : std::nullopt;
  out["scores"] = scored ? json::value(scored->at("scores")) : json::value(nullptr);
  const json::value* board = scored ? scored->if_contains("scoreboard") : nullptr;
  out["scoreboard"] = board == nullptr ? json::value(nullptr) : *board;
  out["presentation"] = shown ? json::value(*shown) : json::value(nullptr);
  return out;
}

json::object runner_json(const queue::Runner& runner) {
  json::error_code error;
  const json::value said = json::parse(runner.about_json, error);
  const json::object about = !error && said.is_object() ? said.as_object() : json::object();
  const auto field = [&](const char* name, json::kind kind) {
    const json::value* value = about.if_contains(name);
    return value != nullptr && value->kind() == kind ? *value : json::value();
  };
  json::object out{{"runner", runner.name}, {"running", runner.running}};
  for (const char* name : {"host", "driver", "version"}) out[name] = field(name, json::kind::string);
  for (const char* name : {"slots", "warm"}) out[name] = field(name, json::kind::int64);
  const json::value since = field("since_ms", json::kind::int64);
  out["since"] = since.is_null() ? json::value() : json::value(iso_utc(since.as_int64()));
  out["places"] = json::array();
  if (const json::value places = field("places", json::kind::array); places.is_array())
    for (const json::value& place : places.as_array())
      if (place.is_object() && place.as_object().contains("name"))
        out["places"].as_array().push_back(place.as_object().at("name"));
  return out;
}

}  // namespace milonga::rest
