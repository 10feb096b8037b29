// Which job is next: interactive before bulk, lanes in turn, within a lane the
// lowest id. Rebuilt from file names at start; holds names only.
//
// Privilege: none. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "queue/name.h"

namespace milonga::queue {

struct Waiting {
  std::string lane;  // as encoded in the path
  JobName name;
};

class Index {
 public:
  // `due_ms` is when it may run: the name's own, or earlier where that cannot be meant.
  void add(const std::string& lane, const JobName& name, std::int64_t due_ms);
  // Takes the next job that is due out of the index.
  std::optional<Waiting> take(std::int64_t now_ms);
  // When the earliest job that is not due yet will be; 0 = there is none.
  std::int64_t next_due_ms(std::int64_t now_ms);
  void clear();
  [[nodiscard]] std::size_t size() const { return ids_.size(); }

 private:
  struct Lane {
    std::map<JobId, JobName> due;  // may run
  };
  void wake(std::int64_t now_ms);

  std::map<std::string, Lane> lanes_[2];  // by class
  std::string last_lane_[2];              // whose turn it was
  std::multimap<std::int64_t, Waiting> later_;
  std::set<JobId> ids_;
};

}  // namespace milonga::queue
