#include "autodriver/report.h"

#include <sys/wait.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstring>

#include "base/output_file.h"
#include "base/utf8.h"
#include "sandbox/filters.h"
#include "sandbox/policy/rlimits.h"

namespace milonga {
namespace {

namespace json = boost::json;

constexpr double kNsPerSecond = 1e9;

const Evidence& row(const Response& r, Demand d) {
  return r.evidence[static_cast<std::size_t>(d)];
}
bool counted(const Response& r, Demand d) {
  return (row(r, d).known & Evidence::kCounter) != 0;
}

std::optional<std::uint64_t> known(std::uint64_t value) {
  return value != kUnknown ? std::optional(value) : std::nullopt;
}

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

// "cgroup: cannot set the memory limit: Permission denied"
std::string error_line(const Outcome& o) {
  const Response& r = o.response;
  if (r.verdict != Verdict::refused && r.verdict != Verdict::internal_error) return "";
  std::string line =
      o.error.empty() ? std::string(r.failed_what, ::strnlen(r.failed_what, sizeof r.failed_what)) : o.error;
  if (line.empty()) line = "the box ended before the command did";
  if (r.failed_errno != 0) line += std::string(": ") + std::strerror(r.failed_errno);
  return to_utf8(line);  // it may quote a file's name
}

// ---- units of a demand's numbers in the report

enum class Unit { seconds, bytes, count, none };

Unit unit_of(std::size_t demand) {
  if (demand < kLimitCount) {
    switch (kLimits[demand].unit) {
      case LimitUnit::seconds:
        return Unit::seconds;
      case LimitUnit::bytes:
        return Unit::bytes;
      case LimitUnit::count:
        return Unit::count;
    }
  }
  return static_cast<Demand>(demand) == Demand::swap ? Unit::bytes : Unit::none;
}

json::value amount(bool is_known, std::uint64_t value, Unit unit) {
  if (!is_known) return nullptr;
  if (unit == Unit::seconds) return static_cast<double>(value) / kNsPerSecond;
  return value;
}

json::object demand_row(const Evidence& e, std::size_t demand) {
  static constexpr const char* kUnitNames[] = {"s", "bytes", "count", ""};
  const Unit unit = unit_of(demand);
  const bool requested = (e.known & Evidence::kRequested) != 0;
  const bool read_back = (e.known & Evidence::kReadBack) != 0;
  // What is in force: what the kernel says; where it cannot be asked (timers,
  // the output cap), what was set, if there is a mechanism for it at all.
  // A demand without a number is in force (1) or not (0); its read_back can be another fact.
  const bool effective = requested && (read_back || e.rung != Rung::none);
  return {{"requested", amount(requested, e.requested, unit)},
          {"effective", amount(effective, read_back && unit != Unit::none ? e.read_back : e.requested, unit)},
          {"unit", kUnitNames[static_cast<std::size_t>(unit)]},
          {"mechanism", mechanism_name(e.mechanism)},
          {"rung", rung_name(e.rung)},
          {"read_back", amount(read_back, e.read_back, unit)},
          {"counter", amount((e.known & Evidence::kCounter) != 0, e.counter, unit)},
          {"hit", e.hit != 0}};
}

json::object demands(const Outcome& o) {
  json::object all;
  for (std::size_t i = 0; i < kDemandCount; ++i) {
    Evidence e = o.response.evidence[i];
    if (static_cast<Demand>(i) == Demand::output) {  // the front's own limit
      e.counter = o.output_bytes;
      e.known |= Evidence::kCounter;
      e.hit = o.output_bytes > o.output_kept_bytes ? 1 : 0;
    }
    all[kDemandNames[i]] = demand_row(e, i);
  }
  return all;
}

// ---- the other blocks

json::object times(const Response& r) {
  const auto since = [&](std::uint64_t at) {
    return at == 0 ? json::value(nullptr) : json::value(static_cast<double>(at - r.began_ns) / kNsPerSecond);
  };
  return {{"started", since(r.started_ns)},
          {"deadline", since(r.deadline_ns)},
          {"detected_at", since(r.detected_ns)},
          {"kill_sent_at", since(r.kill_sent_ns)},
          {"ended_at", since(r.ended_ns)},
          {"dead_at", since(r.dead_ns)}};
}

json::object memory(const Usage& u) {
  const MemorySplit& s = u.at_limit;
  const json::value split = json::object{{"anon_bytes", or_null(known(s.anon))},
                                         {"file_bytes", or_null(known(s.file))},
                                         {"shmem_bytes", or_null(known(s.shmem))},
                                         {"kernel_bytes", or_null(known(s.kernel))}};
  return {{"kernel_peak_bytes", or_null(known(u.kernel_peak_bytes))},
          {"at_limit", s.anon == kUnknown ? json::value(nullptr) : split}};
}

// How long the box lived on after its wall limit.
json::value late(const Response& r) {
  return r.verdict == Verdict::wall_limit ? json::value(r.dead_ns - r.deadline_ns) : json::value(nullptr);
}

json::value privilege(const Response& r) {
  if (r.started_ns == 0) return nullptr;
  const auto mask = [](std::uint64_t bits) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(bits));
    return json::value(text);
  };
  const auto number = [](std::uint32_t value) { return value == ~0u ? json::value(nullptr) : json::value(value); };
  return json::object{{"cap_inheritable", mask(r.inside.cap_inheritable)},
                      {"cap_permitted", mask(r.inside.cap_permitted)},
                      {"cap_effective", mask(r.inside.cap_effective)},
                      {"cap_bounding", mask(r.inside.cap_bounding)},
                      {"cap_ambient", mask(r.inside.cap_ambient)},
                      {"no_new_privs", number(r.inside.no_new_privs)},
                      {"seccomp_mode", number(r.inside.seccomp_mode)}};
}

json::value rlimits(const Response& r) {
  if (r.started_ns == 0) return nullptr;
  const auto limit = [](std::uint64_t value) { return value == kNoLimit ? json::value("unlimited") : json::value(value); };
  json::object all;
  for (std::size_t i = 0; i < kRlimitCount; ++i) {
    const Rlimit& in_force = r.inside.rlimits[i];
    all[kRlimits[i].name] = json::object{{"soft", limit(in_force.soft)}, {"hard", limit(in_force.hard)}};
  }
  return all;
}

json::object fixed() {
  json::object all;
  for (const FixedRow& row : kFixed) all[row.name] = row.how;
  return all;
}

json::value namespaces(const Response& r) {
  if (r.started_ns == 0) return nullptr;
  json::object all;
  for (std::size_t i = 0; i < kNsCount; ++i) all[kNsNames[i]] = r.inside.ns_inode[i];
  return all;
}

json::object steps(const Response& r) {
  json::object all;
  for (std::size_t i = 0; i < kStepCount; ++i) {
    if (r.step_ns[i] != 0) all[kStepNames[i]] = static_cast<double>(r.step_ns[i]) / 1000;
  }
  return all;
}

json::value error_block(const Outcome& o) {
  const std::string line = error_line(o);
  if (line.empty()) return nullptr;
  return json::object{
      {"step", step_name(o.response.failed_step)},
      {"what", line},
      {"errno", o.response.failed_errno == 0 ? json::value(nullptr) : o.response.failed_errno}};
}

}  // namespace

std::optional<Demand> demand_hit(const Response& r) {
  switch (r.verdict) {
    case Verdict::wall_limit:
      return Demand::wall;
    case Verdict::cpu_limit:
      return Demand::cpu;
    case Verdict::memory_limit:
      return Demand::memory;
    case Verdict::output_limit:
      return Demand::output;
    case Verdict::process_limit:
      return Demand::processes;
    case Verdict::disk_limit:
      return row(r, Demand::disk).hit != 0 ? Demand::disk : Demand::inodes;
    default:
      return std::nullopt;
  }
}

ReportView view_of(const Outcome& o) {
  const Response& r = o.response;
  ReportView view;
  view.verdict = r.verdict;
  if (r.wait_status_known != 0 && WIFEXITED(r.wait_status)) view.exit_code = WEXITSTATUS(r.wait_status);
  if (r.wait_status_known != 0 && WIFSIGNALED(r.wait_status))
    view.signal = signal_name(WTERMSIG(r.wait_status));
  if (const std::string error = error_line(o); !error.empty()) {
    view.error = std::string(step_name(r.failed_step)) + ": " + error;
  }
  if (const auto demand = demand_hit(r)) view.stopped_by = mechanism_name(row(r, *demand).mechanism);
  if (counted(r, Demand::wall))
    view.wall_s = static_cast<double>(row(r, Demand::wall).counter) / kNsPerSecond;
  if (r.usage.cpu_ns != kUnknown) view.cpu_s = static_cast<double>(r.usage.cpu_ns) / kNsPerSecond;
  view.memory_peak_bytes = known(r.usage.memory_peak_bytes);
  view.oom_kills = known(r.usage.oom_kills);
  view.processes_peak = known(r.usage.processes_peak);
  view.forks_refused = known(r.usage.forks_refused);
  view.disk_bytes = known(r.usage.disk_bytes);
  view.inodes = known(r.usage.inodes);
  view.output_bytes = o.output_bytes;
  view.output_kept_bytes = o.output_kept_bytes;
  view.limits = o.limits;
  return view;
}

std::string report_json(const Outcome& o) {
  const Response& r = o.response;
  const ReportView view = view_of(o);
  const auto seconds = [](std::uint64_t ns) {
    return ns == kUnknown ? json::value(nullptr) : json::value(static_cast<double>(ns) / kNsPerSecond);
  };
  const bool box = r.dead_ns != 0;  // there was one
  const json::object report = {
      {"schema", 1},
      {"verdict", verdict_name(r.verdict)},
      {"exit_code", or_null(view.exit_code)},
      {"signal", or_null(view.signal)},
      {"error", error_block(o)},
      {"stopped_by", or_null(view.stopped_by)},
      {"wall_s", or_null(view.wall_s)},
      {"cpu_s", or_null(view.cpu_s)},
      {"cpu_user_s", seconds(r.usage.cpu_user_ns)},
      {"cpu_system_s", seconds(r.usage.cpu_system_ns)},
      {"memory_peak_bytes", or_null(view.memory_peak_bytes)},
      {"oom_kills", or_null(view.oom_kills)},
      {"memory", memory(r.usage)},
      {"processes_peak", or_null(view.processes_peak)},
      {"forks_refused", or_null(view.forks_refused)},
      {"disk_bytes", or_null(view.disk_bytes)},
      {"inodes", or_null(view.inodes)},
      {"output_bytes", o.output_bytes},
      {"output_kept_bytes", o.output_kept_bytes},
      {"output_sha256", o.output_sha256.empty() ? json::value(nullptr) : json::value(o.output_sha256)},
      {"late_ns", late(r)},
      {"times_s", times(r)},
      {"demands", demands(o)},
      {"rlimits", rlimits(r)},
      {"fixed", fixed()},
      {"privilege", privilege(r)},
      {"namespaces", namespaces(r)},
      {"box", box ? json::value{{"uid", r.uid}, {"kind", kBoxKindNames[static_cast<std::size_t>(r.kind)]}, {"slot", r.slot}, {"made_ahead", o.made_ahead}} : json::value(nullptr)},
      {"steps_us", steps(r)},
      {"selftest", o.selftest ? json::value{{"date", o.selftest->date}, {"passed", o.selftest->passed}} : json::value(nullptr)},
      {"profile", {{"name", profile(o.profile).name}, {"sha256", filter_of(o.profile).sha256}}},
      {"autodriver", {{"version", MILONGA_VERSION}}},
  };
  return json::serialize(report) + "\n";
}

Result<ReportFile> ReportFile::prepare(const std::string& file) {
  ReportFile report;
  report.file_ = file;
  if (is_replaceable(file)) return report;
  auto opened = open_output(file);
  if (!opened) return fail(opened.error().what, "--report");
  report.open_ = std::move(*opened);
  return report;
}

Result<> ReportFile::write(const Outcome& outcome) const {
  const std::string text = report_json(outcome);
  const Result<> written = open_.valid() ? write_output(open_.get(), text, file_) : replace_file(file_, text);
  return written ? written : Result<>(fail(written.error().what, "--report"));
}

}  // namespace milonga
