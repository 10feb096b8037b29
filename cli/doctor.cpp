// milonga doctor: what this host can enforce. A box is built and asked, then the
// host is looked at, for the reasons.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/core/unique_fd.h"
#include "base/terminal.h"
#include "cli/autodriver_process.h"
#include "cli/command.h"
#include "cli/doctor_checks.h"
#include "sandbox/probe.h"

namespace milonga::cli {
namespace {

namespace json = boost::json;

struct TestBox {
  std::string problem;  // empty: it was built, and its command ended well
  json::object demands;
  std::string programs;  // paths of those that a lab needs, as the job sees them, one a line
};

// A box with every limit set and nothing insisted on, so that it tells of each demand what it got.
TestBox build_test_box() {
  std::vector<std::string> words = {"--wall-time=10", "--cpu-time=10", "--file-size=1M"};
  for (const char* demand : kDemandNames) words.push_back(fmt::format("--require={}>=none", demand));
  words.insert(words.end(), {"--command", "--", "/bin/sh", "-c", "command -v make; command -v gcc; exit 0"});
  TestBox box;
  const UniqueFd output(::memfd_create("output", MFD_CLOEXEC));
  const auto ran = run_autodriver(words, output.get());
  if (!ran) {
    box.problem = ran.error().line();
    return box;
  }
  boost::system::error_code error;
  const json::value report = json::parse(ran->report_json, error);
  const json::value* verdict =
      !error && report.is_object() ? report.get_object().if_contains("verdict") : nullptr;
  const json::value* demands = verdict != nullptr ? report.get_object().if_contains("demands") : nullptr;
  if (verdict == nullptr || *verdict != "ok" || demands == nullptr || !demands->is_object()) {
    box.problem = ran->messages.empty() ? "the test box's command did not end well" : ran->messages;
    box.problem.resize(box.problem.find_last_not_of('\n') + 1);
    return box;
  }
  box.demands = demands->get_object();
  std::array<char, 4096> text;
  const ssize_t n = ::pread(output.get(), text.data(), text.size(), 0);
  if (n > 0) box.programs.assign(text.data(), static_cast<std::size_t>(n));
  return box;
}

// A row of the report, if it is well-formed.
std::string text_at(const json::object& demands, const char* demand, const char* key) {
  const json::value* row = demands.if_contains(demand);
  const json::value* value =
      row != nullptr && row->is_object() ? row->get_object().if_contains(key) : nullptr;
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "none";
}

// What the box got replaces what the host let expect.
void take_from_box(std::vector<DemandProbe>& rows, const json::object& demands) {
  for (DemandProbe& row : rows) {
    const std::string rung = text_at(demands, demand_name(row.demand), "rung");
    const std::string mechanism = text_at(demands, demand_name(row.demand), "mechanism");
    row.rung = Rung::none;
    row.mechanism = Mechanism::none;
    for (std::size_t i = 0; i < std::size(kRungNames); ++i)
      if (rung == kRungNames[i]) row.rung = static_cast<Rung>(i);
    for (std::size_t i = 0; i < kMechanismCount; ++i)
      if (mechanism == kMechanismNames[i]) row.mechanism = static_cast<Mechanism>(i);
  }
}

struct Finding {
  std::vector<DemandProbe> demands;
  std::vector<Check> checks;
  bool built = false;
};

bool is_strong(const Finding& finding) {
  for (const DemandProbe& row : finding.demands)
    if (row.rung < Rung::strong) return false;
  for (const Check& check : finding.checks)
    if (check.level == Check::Level::weak) return false;
  return true;
}

std::string text_of(const Finding& finding) {
  std::string text = finding.built ? "A box that was built here got:\n"
                                   : "No box could be built (below is why). The kernel alone would give:\n";
  for (const DemandProbe& row : finding.demands) {
    const Colour colour = row.rung >= Rung::strong ? Colour::green
                          : row.rung == Rung::none ? Colour::red
                                                   : Colour::yellow;
    text += fmt::format("  {:<11} {} {}\n", demand_name(row.demand),
                        paint(fmt::format("{:<11}", rung_name(row.rung)), colour, STDOUT_FILENO),
                        mechanism_name(row.mechanism));
    if (!row.hint.empty()) text += fmt::format("  {:<11} better: {}\n", "", row.hint);
  }
  text += "\nHost:\n";
  for (const Check& check : finding.checks) {
    static constexpr const char* kMarks[] = {"ok", "note", "WEAK"};
    static constexpr Colour kColours[] = {Colour::green, Colour::yellow, Colour::red};
    const auto level = static_cast<std::size_t>(check.level);
    text += fmt::format("  {} {:<12} {}\n",
                        paint(fmt::format("{:<4}", kMarks[level]), kColours[level], STDOUT_FILENO),
                        check.name, printable(check.what));
    if (!check.hint.empty()) text += fmt::format("       {:<12} {}\n", "", printable(check.hint));
  }
  return text;
}

json::object json_of(const Finding& finding) {
  json::object demands;
  for (const DemandProbe& row : finding.demands) {
    json::object entry;
    entry["rung"] = rung_name(row.rung);
    entry["mechanism"] = mechanism_name(row.mechanism);
    entry["hint"] = row.hint.empty() ? json::value(nullptr) : json::value(row.hint);
    demands[demand_name(row.demand)] = std::move(entry);
  }
  json::array checks;
  for (const Check& check : finding.checks) {
    static constexpr const char* kLevels[] = {"ok", "note", "weak"};
    json::object entry;
    entry["name"] = check.name;
    entry["level"] = kLevels[static_cast<std::size_t>(check.level)];
    entry["what"] = check.what;
    entry["hint"] = check.hint.empty() ? json::value(nullptr) : json::value(check.hint);
    checks.push_back(std::move(entry));
  }
  json::object out;
  out["box_built"] = finding.built;
  out["strong"] = is_strong(finding);
  out["demands"] = std::move(demands);
  out["checks"] = std::move(checks);
  return out;
}

}  // namespace

Result<int> doctor(const Arguments& arguments) {
  const HostProbe host = probe_host();
  const TestBox box = build_test_box();
  Finding finding;
  finding.demands = expected_rungs(host);
  finding.built = box.problem.empty();
  if (finding.built) take_from_box(finding.demands, box.demands);
  finding.checks = check_host(host, box.problem, box.programs, arguments);
  const int exit_status = is_strong(finding) ? kOk : kJobFailed;
  return print(arguments.json() ? json::serialize(json_of(finding)) + "\n" : text_of(finding), exit_status);
}

}  // namespace milonga::cli
