#include "autodriver/tango_face.h"

#include "base/size.h"
#include "sandbox/model/evidence.h"

namespace milonga {
namespace {

std::string what_happened(const ReportView& run) {
  const auto limit = [&](LimitId id) { return run.limits[id]; };
  switch (run.verdict) {
    case Verdict::ok:
    case Verdict::failed:
      return "exited with status " + std::to_string(run.exit_code.value_or(0));
    case Verdict::signaled:
      return "was killed by " + run.signal.value_or("a signal");
    case Verdict::wall_limit:
      return "timed out after " + print_seconds(limit(LimitId::wall)) + " seconds";
    case Verdict::cpu_limit:
      return "exceeded its CPU time limit of " + print_seconds(limit(LimitId::cpu)) + " seconds";
    case Verdict::memory_limit:
      return "exceeded its memory limit of " + print_size(limit(LimitId::memory));
    case Verdict::output_limit:
      return "exceeded its output limit of " + print_size(limit(LimitId::output));
    case Verdict::disk_limit:
      if (run.stopped_by == mechanism_name(Mechanism::tmpfs_inodes)) {
        return "exceeded its limit of " + std::to_string(limit(LimitId::inodes)) + " files";
      }
      return "exceeded its disk limit of " + print_size(limit(LimitId::disk));
    case Verdict::process_limit:
      return "exceeded its process limit of " + std::to_string(limit(LimitId::processes));
    case Verdict::cancelled:
      return "was cancelled";
    case Verdict::refused:
      return "was not run: " + run.error;
    case Verdict::internal_error:
      return "could not be judged: " + run.error;
  }
  bug("a verdict without a sentence");
}

}  // namespace

std::string job_sentence(const ReportView& run) {
  return "Job " + what_happened(run);
}

std::string tango_headline(const ReportView& run) {
  return "Autodriver: " + job_sentence(run);
}

int tango_exit_code(Verdict verdict) {
  switch (verdict) {
    case Verdict::wall_limit:
      return 2;
    case Verdict::cancelled:
    case Verdict::refused:
    case Verdict::internal_error:
      return 3;
    default:
      return 0;
  }
}

}  // namespace milonga
