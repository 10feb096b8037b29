#include "rest/job_view.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "base/size.h"
#include "rest/utc.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

std::string line(std::int64_t at_ms, std::string text) {
  std::replace(text.begin(), text.end(), '|', '/');  // Autolab splits there
  std::replace(text.begin(), text.end(), '\n', ' ');
  return ctime_utc(at_ms) + "|" + text;
}

// The work directory is made when the job is claimed.
std::int64_t claimed_ms(const queue::Status& status) {
  struct stat st {};
  const std::string directory = status.live_output.substr(0, status.live_output.rfind('/'));
  if (::stat(directory.c_str(), &st) != 0) return status.job.created_ms;
  return std::max<std::int64_t>(st.st_ctim.tv_sec * 1000, status.job.created_ms);
}

// What the runner wrote down: [{"at_ms", "text"}...]
void add_runner_trace(const std::string& timing_json, std::vector<std::string>& trace) {
  json::error_code error;
  const json::value timing = json::parse(timing_json, error);
  if (error || !timing.is_object()) return;
  const json::value* lines = timing.as_object().if_contains("trace");
  if (lines == nullptr || !lines->is_array()) return;
  for (const json::value& entry : lines->as_array()) {
    if (!entry.is_object()) continue;
    const json::value* at = entry.as_object().if_contains("at_ms");
    const json::value* text = entry.as_object().if_contains("text");
    if (at != nullptr && at->is_int64() && text != nullptr && text->is_string())
      trace.push_back(line(at->as_int64(), std::string(text->as_string())));
  }
}

// Autolab: "Autodriver returned normally" is a success, "Error" a failure, and anything else unknown.
std::string final_line(const queue::ResultRecord& result) {
  const bool known = result.reason.starts_with("Success: ") || result.reason.starts_with("Error: ");
  return line(result.finished_ms, known ? result.reason : "Error: " + result.reason);
}

json::value number_or_null(const std::map<std::string, std::string>& values, const char* name,
                           bool mebibytes) {
  const auto found = values.find(name);
  const auto number = found == values.end() ? Result<std::uint64_t>(fail("")) : parse_size(found->second);
  if (!number) return nullptr;
  return mebibytes ? *number / (1024 * 1024) : *number;
}

std::string image_of(const queue::Job& job) {
  const auto label = job.labels.find(kImageLabel);
  return label == job.labels.end() ? job.image : label->second;
}

// "Assigned job NAME:ID new VM milonga-7-default" -> 7
json::value vm_id(const std::vector<std::string>& trace) {
  for (const std::string& entry : trace) {
    const std::size_t at = entry.find(" new VM ");
    if (entry.find("|Assigned job ") == std::string::npos || at == std::string::npos) continue;
    const std::size_t dash = entry.find('-', at);
    if (dash == std::string::npos) continue;
    return static_cast<std::int64_t>(std::strtol(entry.c_str() + dash + 1, nullptr, 10));
  }
  return nullptr;
}

json::object vm_row(const queue::Job& job, const std::vector<std::string>& trace) {
  const std::string image = image_of(job);
  const std::size_t dot = image.rfind('.');
  return {{"network", nullptr},
          {"resume", nullptr},
          {"image", image},
          {"memory", number_or_null(job.options, "memory", true)},
          {"vmms", "local"},
          {"cores", number_or_null(job.labels, kCoresLabel, false)},
          {"disk", nullptr},
          {"id", vm_id(trace)},
          {"name", dot == std::string::npos || dot == 0 ? image : image.substr(0, dot)}};
}

json::array input_rows(const queue::Job& job, const std::string& output) {
  const std::size_t folder = output.find("/output/");
  const std::string prefix = folder == std::string::npos ? std::string() : output.substr(0, folder + 1);
  json::array rows;
  for (const queue::InputFile& file : job.files) {
    const auto local = job.labels.find(kFileLabel + file.path);
    rows.push_back({{"destFile", file.path},
                    {"localFile", prefix + (local == job.labels.end() ? file.path : local->second)}});
  }
  return rows;
}

json::value timeout_of(const queue::Job& job) {
  const auto found = job.options.find("wall-time");
  const auto time =
      found == job.options.end() ? Result<std::uint64_t>(fail("")) : parse_seconds(found->second);
  return time ? *time / 1'000'000'000 : 0;
}

}  // namespace

std::int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string verdict_of(const queue::ResultRecord& result) {
  json::error_code error;
  const json::value report = json::parse(result.report_json, error);
  if (error || !report.is_object()) return {};
  const json::value* verdict = report.as_object().if_contains("verdict");
  return verdict == nullptr || !verdict->is_string() ? std::string() : std::string(verdict->as_string());
}

std::vector<std::string> trace_of(const queue::Status& status) {
  const queue::Job& job = status.job;
  std::vector<std::string> trace;
  trace.push_back(line(job.created_ms, fmt::format("Added job {}:{} to queue", job.name, job.id)));
  if (status.state == queue::State::running)
    trace.push_back(line(claimed_ms(status), fmt::format("Dispatched job {}:{} [try {}]", job.name, job.id,
                                                         std::max(status.attempt - 1, 0))));
  if (!status.record_error.empty())
    trace.push_back(line(job.created_ms, "Error: its record cannot be read: " + status.record_error));
  if (status.result) {
    add_runner_trace(status.result->timing_json, trace);
    const std::string last = final_line(*status.result);
    if (trace.back().substr(trace.back().find('|')) != last.substr(last.find('|'))) trace.push_back(last);
  }
  return trace;
}

json::object job_row(const queue::Status& status, const std::string& output) {
  const queue::Job& job = status.job;
  const std::vector<std::string> trace = trace_of(status);
  json::array lines;
  for (const std::string& entry : trace) lines.emplace_back(entry);
  const bool waits = status.state == queue::State::waiting;
  const json::value most = number_or_null(job.options, "output", false);
  return {
      {"retries", std::max(waits ? status.attempt : status.attempt - 1, 0)},
      {"outputFile", output},
      {"name", job.name},
      {"notifyURL", job.callback_url.empty() ? json::value(nullptr) : json::value(job.callback_url)},
      {"maxOutputFileSize", most.is_null() ? json::value(16 * 1024 * 1024) : most},  // autodriver's default
      {"assigned", status.state == queue::State::running},
      {"timeout", timeout_of(job)},
      {"id", job.id},
      {"trace", std::move(lines)},
      {"vm", vm_row(job, trace)},
      {"input", input_rows(job, output)}};
}

}  // namespace milonga::rest
