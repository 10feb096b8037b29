// News of the spool's directories by inotify: a hint that spares listing them
// again. Losing one costs nothing but a listing: the directory is the truth.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga::queue {

class Watcher {
 public:
  struct News {
    bool overflow = false;  // something was lost: list everything
    std::vector<std::pair<std::string, std::string>> names;  // key of the directory, new name in it
  };

  static Result<Watcher> create();
  // Tells of names that appear in `absolute_path` under `key`. Adding one twice is harmless.
  Result<void> add(const std::string& absolute_path, const std::string& key);
  // Wakes fd() at this time (Unix ms); 0 = not.
  Result<void> wake_at(std::int64_t unix_ms);
  // Readable when there is news or the time has come.
  [[nodiscard]] int fd() const { return epoll_.get(); }
  News take();

 private:
  UniqueFd inotify_, timer_, epoll_;
  std::map<int, std::string> keys_;
};

}  // namespace milonga::queue
