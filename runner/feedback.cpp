#include "runner/feedback.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>

#include "autodriver/tango_face.h"

namespace milonga::runner {
namespace {

// Python's ctime: "Mon Nov 23 06:05:03 2026", in this host's zone or that of TZ, as Tango writes it here.
std::string ctime_local(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm local{};
  ::tzset();  // localtime_r(3) need not
  ::localtime_r(&seconds, &local);
  char text[64];
  (void)std::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &local);
  return text;
}

}  // namespace

std::string final_reason(const ReportView& run) {
  std::string reason;
  switch (run.verdict) {
    case Verdict::ok:
    case Verdict::failed:
    case Verdict::signaled:
      return "Success: Autodriver returned normally";
    case Verdict::refused:
    case Verdict::internal_error:
      reason = "Error: the job was not run: " + run.error;
      break;
    default:
      reason = "Error: " + job_sentence(run);
      break;
  }
  std::replace(reason.begin(), reason.end(), '|', '/');
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return reason;
}

std::string feedback_header(const queue::Job& job, const std::string& reason, const FeedbackTimes& times) {
  const std::string end = ctime_local(times.finished_ms);
  return fmt::format(
      "Autograder [{}]: Received job {}:{}\nAutograder [{}]: {}\n"
      "Autograder [{}]: Here is the output from the autograder:\n---\n",
      ctime_local(times.received_ms), job.name, job.id, end, reason, end);
}

Result<void> write_feedback(const queue::Claim& claim, const std::string& reason, const ReportView* run,
                            const FeedbackTimes& times) {
  const std::string path = claim.work_dir + "/feedback";
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << feedback_header(claim.job, reason, times);
  if (run != nullptr) out << tango_headline(*run) << "\n";
  if (std::ifstream in(claim.work_dir + "/output", std::ios::binary);
      in && in.peek() != std::ifstream::traits_type::eof())
    out << in.rdbuf();
  out.close();
  return out ? Result<void>{} : Result<void>(fail_errno("write", path));
}

}  // namespace milonga::runner
