// Which job is next: interactive before bulk, lanes in turn, within a lane the
// lowest id. Rebuilt from file names at start; holds names only.
//
// News of a name may come twice, and late: an old name of a job that has another
// one by now is kept beside it, since only the disk knows which of them is still
// a file. Taking a name that is gone costs one failed rename.
//
// Privilege: none. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "queue/name.h"

namespace milonga::queue {

struct Waiting {
  std::string lane;  // as encoded in the path
  JobName name;

  auto operator<=>(const Waiting&) const = default;
};

class Index {
 public:
  // `due_ms` is when it may run: the name's own, or earlier where that cannot be meant.
  void add(const std::string& lane, const JobName& name, std::int64_t due_ms);
  // Takes the next job that is due out of the index.
  std::optional<Waiting> take(std::int64_t now_ms);
  // When the earliest job that is not due yet will be; 0 = there is none.
  std::int64_t next_due_ms(std::int64_t now_ms);
  // Names in it; of jobs that others took meanwhile some may still be there.
  [[nodiscard]] std::size_t size() const;
  void clear();

 private:
  void wake(std::int64_t now_ms);

  std::map<std::string, std::set<JobName>> lanes_[2];  // by class: what may run, lowest id first
  std::string last_lane_[2];                           // whose turn it was
  std::set<std::pair<std::int64_t, Waiting>> later_;   // by due time
};

}  // namespace milonga::queue
