// milonga list
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/size.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/describe.h"

namespace milonga::cli {
namespace {

constexpr std::size_t kUsualLimit = 20;
constexpr std::size_t kNameWidth = 20;

std::string seconds(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f} s", *value) : std::string("-");
}

Colour colour_of(Verdict verdict) {
  const int exit_status = exit_status_of(verdict);
  return exit_status == kOk ? Colour::green : exit_status == kFailed ? Colour::red : Colour::yellow;
}

std::string row(const queue::Status& status) {
  const ReportView report = report_of(status).value_or(ReportView{});
  const bool unreadable = !status.record_error.empty() && !status.result;
  const char* word = status.result ? verdict_name(verdict_of(status)) : unreadable ? "unreadable" : "-";
  std::string verdict = fmt::format("{:<14}", word);
  if (status.result) verdict = paint(verdict, colour_of(verdict_of(status)), STDOUT_FILENO);
  if (unreadable) verdict = paint(verdict, Colour::red, STDOUT_FILENO);
  const std::string last =
      status.record_error.empty() ? report.stopped_by.value_or("-") : status.record_error;
  const std::string name = status.job.name.empty() ? "-" : printable(status.job.name);
  const std::string peak = report.memory_peak_bytes ? human_size(*report.memory_peak_bytes) : "-";
  return fmt::format("{:>6}  {:<{}.{}}  {:<8} {} {:>10} {:>10} {:>10}  {}\n", status.job.id, name, kNameWidth,
                     kNameWidth, state_name(status.state), verdict, seconds(report.wall_s),
                     seconds(report.cpu_s), peak, printable(last));
}

}  // namespace

Result<int> list(const Arguments& arguments) {
  std::size_t limit = kUsualLimit;
  if (arguments.has("limit")) {
    const auto parsed = parse_count(arguments.get("limit"));
    if (!parsed) return complain("list: --limit: " + parsed.error().line(), kUsage);
    limit = *parsed;
  }
  const auto queue = TRY(open_queue(arguments));
  const auto jobs = TRY(queue->list(limit));
  if (arguments.json()) {
    boost::json::array all;
    for (const auto& job : jobs) all.push_back(to_json(job));
    return print(boost::json::serialize(all) + "\n");
  }
  std::string text = fmt::format("{:>6}  {:<{}}  {:<8} {:<14} {:>10} {:>10} {:>10}  {}\n", "ID", "NAME",
                                 kNameWidth, "STATE", "VERDICT", "WALL", "CPU", "PEAK", "STOPPED BY");
  for (const auto& job : jobs) text += row(job);
  return print(text);
}

}  // namespace milonga::cli
