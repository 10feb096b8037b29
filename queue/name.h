// The name of a waiting or running job's file: all that a scheduler needs, so
// that an index of a million jobs is one readdir pass.
//
//   <id 10 digits>.<class i|b>.<attempt 2>.<due hex ms, 0 = now>.<cost s>.<user hash 8>.<pool hash 8>
//   0000012345.i.00.0.20.9f3a1c22.51d0aa07
//
// Privilege: none.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "queue/job.h"

namespace milonga::queue {

struct JobName {
  JobId id = 0;
  JobClass job_class = JobClass::interactive;
  int attempt = 0;          // executions begun so far
  std::int64_t due_ms = 0;  // not before; 0 = now
  std::uint32_t cost_s = 0;
  std::string user, pool;   // 8 hex digits each

  auto operator<=>(const JobName&) const = default;  // by id first
  [[nodiscard]] std::string text() const;
  static std::optional<JobName> parse(std::string_view text);  // nothing for any other file name
  static JobName first(const Job& job);
};

// A lane as one path component: bytes outside [A-Za-z0-9_-.] as %XX, no leading
// dot; too long ones end in a hash.
std::string encode_lane(std::string_view lane);

// "12" -> 12; 0 for everything that is no id.
JobId parse_id(std::string_view text);

// done/<id / 1000>, and in it <id>.res and <id>.job
std::string shard_of(JobId id);
std::string result_path(JobId id);
std::string record_path(JobId id);

}  // namespace milonga::queue
