// What `autodriver selftest` puts up outside of its boxes, to see whether a box
// gets at it: a file, a process's name, listeners, shared memory; and the folder
// of the job that is let loose.
//
// Privilege: none.
#pragma once

#include <string>

#include "autodriver/selftest_attempts.h"
#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga {

class Outside {
 public:
  static Result<Outside> make();
  Outside(Outside&& other) noexcept;
  Outside& operator=(Outside&&) = delete;
  ~Outside();  // takes all of it away

  [[nodiscard]] const Planted& planted() const { return planted_; }
  [[nodiscard]] std::string job() const { return folder_ + "/job"; }
  [[nodiscard]] std::string report() const { return folder_ + "/report.json"; }
  [[nodiscard]] bool was_reached() const;   // somebody has connected
  [[nodiscard]] bool daemon_lives() const;  // the one of the trial `kill`

 private:
  Outside() = default;
  Result<> listen_on_both();

  std::string folder_;
  Planted planted_;
  UniqueFd inet_, unix_;
  int shm_ = -1;
};

}  // namespace milonga
