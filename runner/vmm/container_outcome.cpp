#include "runner/vmm/container_outcome.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "autodriver/report.h"
#include "runner/vmm/container.h"
#include "runner/vmm/outcome.h"

namespace milonga::runner {
namespace {

namespace json = boost::json;

constexpr const char* kOutOfMemory = "the container's memory limit";
constexpr int kRan = 0;  // autodriver(1), EXIT STATUS: of a memory limit as well

// Read back: what the Engine did not set was not in force.
Result<void> check_bounds(const ContainerEnd& end) {
  const ContainerState& s = end.state;
  const struct {
    const char* name;
    std::uint64_t asked, read_back;
  } rows[] = {
      {"memory", end.bounds.memory, s.memory},
      {"memory and swap", end.bounds.memory, s.memory_and_swap},
      {"processes", end.bounds.processes, static_cast<std::uint64_t>(s.processes)},
      {"CPU", static_cast<std::uint64_t>(end.bounds.nano_cpus), static_cast<std::uint64_t>(s.nano_cpus)},
  };
  for (const auto& row : rows)
    if (row.asked != row.read_back)
      return fail(fmt::format("the Engine was asked for a {} limit of {} and set {}", row.name, row.asked,
                              row.read_back));
  return {};
}

json::value limit(std::uint64_t value) {
  return value == 0 ? json::value(nullptr) : json::value(value);
}

json::object evidence(const ContainerEnd& end) {
  const ContainerState& s = end.state;
  return {
      {"engine", end.engine},
      {"id", s.id},
      {"image", s.image},
      {"exit_code", s.exit_code},
      {"oom_killed", s.oom_killed},
      {"memory_bytes", limit(s.memory)},
      {"swap_bytes", s.memory_and_swap - s.memory},
      {"processes", limit(static_cast<std::uint64_t>(s.processes))},
      {"cpus", s.nano_cpus == 0 ? json::value(nullptr) : json::value(static_cast<double>(s.nano_cpus) / 1e9)},
      {"network", s.network},
      {"capabilities", json::value_from(s.capabilities)},
      {"security", json::value_from(s.security)}};
}

// A report of what the Engine alone can tell: autodriver was killed with its job.
std::string report_without_autodriver(const ContainerEnd& end) {
  Outcome outcome;
  outcome.response.verdict = Verdict::memory_limit;
  outcome.limits = end.box.limits;
  outcome.profile = end.box.profile;
  return report_json(outcome);
}

// That the job ran out of memory explains how it ended, unless it came to its own end well
// or hit another limit. What was killed may also have been a part of autodriver.
bool explains(Verdict verdict) {
  return verdict == Verdict::failed || verdict == Verdict::signaled || verdict == Verdict::internal_error;
}

void call_it_memory_limit(json::object& report, const ContainerEnd& end) {
  report["verdict"] = verdict_name(Verdict::memory_limit);
  report["error"] = nullptr;
  report["exit_code"] = nullptr;
  report["signal"] = nullptr;
  report["stopped_by"] = kOutOfMemory;
  json::object& memory = report["demands"].as_object()["memory"].as_object();
  memory["requested"] = end.box.limits[LimitId::memory];
  memory["effective"] = end.state.memory;
  memory["read_back"] = end.state.memory;
  memory["mechanism"] = kOutOfMemory;
  memory["rung"] = rung_name(Rung::bounded);
  memory["hit"] = true;
}

std::string completed(std::string_view text, const ContainerEnd& end, bool out_of_memory) {
  json::value report = json::parse({text.data(), text.size()});  // it was parsed before
  if (out_of_memory) call_it_memory_limit(report.as_object(), end);
  report.as_object()["container"] = evidence(end);
  return json::serialize(report) + "\n";
}

// What autodriver said beside its report.
std::string said(const ContainerEnd& end, std::string_view report) {
  std::string text = end.errors;
  if (!report.empty()) text.erase(static_cast<std::size_t>(report.data() - end.errors.data()), report.size());
  return said_in_one_line(text);
}

}  // namespace

std::string_view find_report(std::string_view errors) {
  constexpr std::string_view kBegin = "{\"schema\":";
  std::size_t at = errors.rfind(kBegin);
  while (at != std::string_view::npos && at != 0 && errors[at - 1] != '\n') at = errors.rfind(kBegin, at - 1);
  if (at == std::string_view::npos) return {};
  const std::size_t end = errors.find('\n', at);
  return end == std::string_view::npos ? std::string_view() : errors.substr(at, end - at);  // not whole: none
}

Result<RunOutcome> container_outcome(const ContainerEnd& end) {
  const std::string_view text = find_report(end.errors);
  const auto report = parse_report(text);
  if (!report && end.state.oom_killed)
    return RunOutcome{completed(report_without_autodriver(end), end, true), kRan};
  if (!report && end.state.exit_code >= 128)
    return fail(
        fmt::format("the container was killed from outside (its exit status is {})", end.state.exit_code));
  TRY(check_bounds(end));
  if (report && end.output_bytes < report->output_kept_bytes.value_or(0))
    return fail(fmt::format("of {} bytes of output, {} came from the container", *report->output_kept_bytes,
                            end.output_bytes));
  const bool out_of_memory = report && end.state.oom_killed && explains(report->verdict);
  if (out_of_memory) return RunOutcome{completed(text, end, true), kRan};
  RunOutcome out = TRY(outcome_of({std::string(text), end.state.exit_code, said(end, text)}));
  out.report_json = completed(out.report_json, end, false);
  return out;
}

}  // namespace milonga::runner
