#include "runner/metrics.h"

#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

namespace milonga::runner {
namespace {

void head(std::string& to, const char* name, const char* type, const char* help) {
  to += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

template <class T>
void one(std::string& to, const char* name, const char* type, const char* help, T value) {
  head(to, name, type, help);
  to += fmt::format("{} {}\n", name, value);
}

// Resident memory of this process in bytes (proc(5), /proc/PID/statm: the second number, in pages); 0:
// unknown.
std::uint64_t resident_bytes() {
  std::uint64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void write_jobs(std::string& to, const JobMetrics& jobs) {
  head(to, "milonga_attempts_total", "counter",
       "Attempts that ended, by verdict or by what became of the job.");
  for (const auto& [result, count] : jobs.ended)
    to += fmt::format("milonga_attempts_total{{result=\"{}\"}} {}\n", result, count);
  head(to, "milonga_attempt_seconds", "histogram", "From the claim of a job to its result or retry.");
  jobs.attempts.write(to, "milonga_attempt_seconds", "");
  head(to, "milonga_stage_seconds", "histogram", "Time in each stage of the lifecycle.");
  for (std::size_t i = 0; i < static_cast<std::size_t>(Stage::ended); ++i)
    jobs.stages[i].write(to, "milonga_stage_seconds", fmt::format("stage=\"{}\"", kStageNames[i]));
  head(to, "milonga_stage_failures_total", "counter",
       "Failures of the platform, by stage; never the job's own.");
  for (std::size_t i = 0; i < static_cast<std::size_t>(Stage::ended); ++i)
    to += fmt::format("milonga_stage_failures_total{{stage=\"{}\"}} {}\n", kStageNames[i],
                      jobs.stage_failures[i]);
}

}  // namespace

void Histogram::add(double seconds) {
  ++count_;
  sum_ += seconds;
  for (std::size_t i = 0; i < kBounds.size(); ++i)
    if (seconds <= kBounds[i]) {
      ++buckets_[i];
      return;
    }
}

void Histogram::write(std::string& to, const std::string& name, const std::string& labels) const {
  const std::string before = labels.empty() ? "" : labels + ",",
                    braces = labels.empty() ? "" : "{" + labels + "}";
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    below += buckets_[i];
    to += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name, before, kBounds[i], below);
  }
  to += fmt::format("{0}_bucket{{{1}le=\"+Inf\"}} {2}\n{0}_sum{3} {4}\n{0}_count{3} {2}\n", name, before,
                    count_, braces, sum_);
}

std::string metrics_text(const JobMetrics& jobs, const Gauges& now) {
  static const std::time_t started = std::time(nullptr);
  std::string to;
  head(to, "milonga_build_info", "gauge", "The version; always 1.");
  to += "milonga_build_info{version=\"" MILONGA_VERSION "\"} 1\n";
  one(to, "milonga_slots", "gauge", "Jobs that may run at once.", now.slots);
  one(to, "milonga_jobs_running", "gauge", "Jobs that this daemon has claimed.", now.running);
  if (now.waiting)
    one(to, "milonga_jobs_waiting", "gauge", "Jobs that wait for a slot or for their next try.",
        *now.waiting);
  one(to, "milonga_stopping", "gauge", "1 once the daemon was told to stop.", int{now.stopping});
  one(to, "milonga_paused", "gauge",
      "1 while the queue wants for something (room, descriptors) and nothing is claimed.", int{now.paused});
  write_jobs(to, jobs);
  one(to, "milonga_callbacks_owed", "gauge", "Callbacks that are neither delivered nor given up.",
      now.callbacks_owed);
  head(to, "milonga_callbacks_total", "counter",
       "Requests of callbacks by result; given_up: jobs whose last try failed.");
  for (const auto& [result, count] : now.callbacks)
    to += fmt::format("milonga_callbacks_total{{result=\"{}\"}} {}\n", result, count);
  one(to, "milonga_loop_wakeups_total", "counter", "How often the daemon woke up.", now.wakeups);
  one(to, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
  one(to, "process_start_time_seconds", "gauge", "Start of the process, Unix time.", started);
  return to;
}

}  // namespace milonga::runner
