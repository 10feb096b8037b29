#include "autodriver/report_view.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cmath>

#include "sandbox/model/evidence.h"

namespace milonga {
namespace {

namespace json = boost::json;

Unexpected wrong(std::string_view field, std::string_view what) {
  return fail("the report's field '" + std::string(field) + "' " + std::string(what));
}

// The field, or a null pointer if it is null.
Result<const json::value*> field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return wrong(name, "is missing");
  return value->is_null() ? nullptr : value;
}

Result<> read(const json::object& object, std::string_view name, std::optional<double>& into) {
  const json::value* value = TRY(field(object, name));
  if (value == nullptr) return {};
  if (!value->is_number()) return wrong(name, "is not a number");
  into = value->to_number<double>();
  return {};
}

Result<> read(const json::object& object, std::string_view name, std::optional<std::uint64_t>& into) {
  const json::value* value = TRY(field(object, name));
  if (value == nullptr) return {};
  boost::system::error_code error;
  into = value->to_number<std::uint64_t>(error);
  return error ? Result<>(wrong(name, "is not a count")) : Result<>();
}

Result<> read(const json::object& object, std::string_view name, std::optional<std::string>& into) {
  const json::value* value = TRY(field(object, name));
  if (value == nullptr) return {};
  if (!value->is_string()) return wrong(name, "is not a text");
  into = std::string(value->get_string());
  return {};
}

Result<> read_limits(const json::object& report, Limits& limits) {
  const json::value* demands = TRY(field(report, "demands"));
  if (demands == nullptr || !demands->is_object()) return wrong("demands", "is not an object");
  for (const LimitRow& row : kLimits) {
    const json::value* demand = TRY(field(demands->get_object(), row.name));
    if (demand == nullptr || !demand->is_object()) return wrong(row.name, "is not an object");
    std::optional<double> requested;
    TRY(read(demand->get_object(), "requested", requested));
    const double scale = row.unit == LimitUnit::seconds ? static_cast<double>(kSecond) : 1.0;
    if (!requested) continue;
    if (*requested < 0 || *requested * scale > 1e19) return wrong(row.name, "is out of range");
    limits[row.id] = static_cast<std::uint64_t>(std::llround(*requested * scale));
  }
  return {};
}

Result<Verdict> read_verdict(const json::object& report) {
  std::optional<std::string> text;
  TRY(read(report, "verdict", text));
  for (std::size_t i = 0; i < kVerdictCount; ++i) {
    if (text == kVerdictNames[i]) return static_cast<Verdict>(i);
  }
  return wrong("verdict", "is none that this version knows");
}

Result<std::string> read_error(const json::object& report) {
  const json::value* error = TRY(field(report, "error"));
  if (error == nullptr) return std::string();
  if (!error->is_object()) return wrong("error", "is not an object");
  std::optional<std::string> step, what;
  TRY(read(error->get_object(), "step", step));
  TRY(read(error->get_object(), "what", what));
  return step.value_or("?") + ": " + what.value_or("?");
}

}  // namespace

Result<ReportView> parse_report(std::string_view text) {
  boost::system::error_code error;
  const json::value parsed = json::parse({text.data(), text.size()}, error);
  if (error) return fail("the report is not JSON: " + error.message());
  if (!parsed.is_object()) return fail("the report is not a JSON object");
  const json::object& report = parsed.get_object();
  std::optional<std::uint64_t> schema;
  TRY(read(report, "schema", schema));
  if (schema != 1) return wrong("schema", "is not 1: it is of another version");

  ReportView view;
  view.verdict = TRY(read_verdict(report));
  view.error = TRY(read_error(report));
  std::optional<std::uint64_t> exit_code;
  TRY(read(report, "exit_code", exit_code));
  if (exit_code) view.exit_code = static_cast<int>(*exit_code & 0xff);
  TRY(read(report, "signal", view.signal));
  TRY(read(report, "stopped_by", view.stopped_by));
  TRY(read(report, "wall_s", view.wall_s));
  TRY(read(report, "cpu_s", view.cpu_s));
  const struct {
    const char* name;
    std::optional<std::uint64_t>& into;
  } counts[] = {
      {"memory_peak_bytes", view.memory_peak_bytes},
      {"oom_kills", view.oom_kills},
      {"processes_peak", view.processes_peak},
      {"forks_refused", view.forks_refused},
      {"disk_bytes", view.disk_bytes},
      {"inodes", view.inodes},
      {"output_bytes", view.output_bytes},
      {"output_kept_bytes", view.output_kept_bytes},
  };
  for (const auto& count : counts) TRY(read(report, count.name, count.into));
  TRY(read_limits(report, view.limits));
  return view;
}

}  // namespace milonga
