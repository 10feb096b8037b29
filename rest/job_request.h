// The body of addJob: Tango's JSON, read once, strictly typed, nothing checked
// against the disk yet. What Tango only documents (timeout and max_kb optional)
// holds here as well.
//
// Privilege: none. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace milonga::rest {

struct JobFile {
  std::string local;  // its name in the course lab's directory
  std::string dest;   // its name in the job's directory
};

struct JobRequest {
  std::string name, image, output_file;
  std::vector<JobFile> files;
  std::optional<std::int64_t> timeout_s;  // absent: null, 0, negative or not given
  std::uint64_t max_kb = 0;               // 0: the site's cap
  std::string callback_url;               // callback_url, else notifyURL, which tango-cli sends
  bool disable_network = false;           // only a JSON boolean counts, as in Tango
  std::optional<std::uint64_t> memory_mb;
  bool dry_run = false;  // check all, queue nothing
  // Accepted, kept with the job, without effect on a box: instanceType, stopBefore, limitingKey, accessKeyId.
  std::vector<std::pair<std::string, std::string>> notes;
};

// Errors are Tango's where it has one ('jobName' with the quotes for a missing field).
Result<JobRequest> parse_job_request(std::string_view body);

// The body of prealloc: {"vmms", "cores", "memory"}; empty is fine.
struct PoolRequest {
  std::optional<std::uint64_t> cores, memory_mb;
};
Result<PoolRequest> parse_pool_request(std::string_view body);

}  // namespace milonga::rest
