#include "runner/vmm/outcome.h"

#include <fmt/format.h>

#include <algorithm>

#include "autodriver/report.h"
#include "base/utf8.h"

namespace milonga::runner {
namespace {

constexpr int kBadUsage = 1;  // autodriver(1), EXIT STATUS

}  // namespace

std::string refusal(const std::string& why) {
  Outcome outcome;
  outcome.response.verdict = Verdict::refused;
  outcome.response.failed_step = Step::request;
  outcome.error = why;
  return report_json(outcome);
}

std::string said_in_one_line(std::string_view errors) {
  std::string text = to_utf8(errors, 400);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ';');
  return text;
}

Result<RunOutcome> outcome_of(const Left& left) {
  RunOutcome out{left.report, left.status};
  const auto report = parse_report(left.report);
  if (!report && left.status == kBadUsage) {
    out.report_json = refusal(left.said);
    return out;
  }
  if (!report)
    return fail(fmt::format("autodriver ended with {} and left no report{}", left.status,
                            left.said.empty() ? "" : " (it said: " + left.said + ")"));
  if (report->verdict == Verdict::internal_error) return fail("autodriver failed: " + report->error);
  if (report->verdict == Verdict::cancelled) return fail("autodriver was stopped by somebody else");
  return out;
}

}  // namespace milonga::runner
