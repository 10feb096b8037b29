// What the daemon has done and is doing, as numbers, in the text format of
// Prometheus (prometheus.io/docs/instrumenting/exposition_formats, 0.0.4).
// Counters are since the start of the process; a scraper sees that it began anew.
// Nothing here names a job, a student or a lab.
//
// Privilege: none. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "runner/lifecycle.h"

namespace milonga::runner {

// Seconds in buckets.
class Histogram {
 public:
  static constexpr std::array<double, 14> kBounds = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                                     2.5,  5,     10,   30,  60,   300, 1800};

  void add(double seconds);
  // The series NAME_bucket, NAME_sum and NAME_count; `labels` as in `stage="run"`, or empty.
  void write(std::string& to, const std::string& name, const std::string& labels) const;

 private:
  std::array<std::uint64_t, kBounds.size()> buckets_{};  // of each its own, not those below
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

// What the dispatcher counts.
struct JobMetrics {
  std::array<Histogram, kStageCount> stages;
  std::array<std::uint64_t, kStageCount> stage_failures{};
  Histogram attempts;  // from claim to commit or retry
  std::map<std::string, std::uint64_t>
      ended;  // by verdict, or "cancelled", "retried", "given_back", "waits_for_room"
};

// What holds at the moment of asking.
struct Gauges {
  std::size_t slots = 0, running = 0;
  std::optional<std::uint64_t> waiting;  // unknown: left out
  bool stopping = false, paused = false;
  std::uint64_t wakeups = 0;
  std::size_t callbacks_owed = 0;
  std::map<std::string, std::uint64_t> callbacks;  // requests by result, since the start
};

std::string metrics_text(const JobMetrics& jobs, const Gauges& now);

}  // namespace milonga::runner
