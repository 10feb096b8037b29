// Starts a program by posix_spawn(3), never by fork: a fork of a daemon with
// 1 GiB resident costs 67 ms. The child is known by a pidfd, so that a signal
// never reaches a stranger with a reused pid.
//
// Privilege: none.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga {

struct ChildPlan {
  std::vector<std::string> argv;                 // argv[0] is looked for as a path, not in PATH
  std::vector<std::pair<int, int>> descriptors;  // ours -> the child's number; all others are closed on exec
  std::optional<std::vector<std::string>> environment = std::nullopt;  // "NAME=value"; nothing: our own
};

class Child {
 public:
  Child() = default;
  // Fails if the program cannot be executed.
  static Result<Child> spawn(const ChildPlan& plan);

  [[nodiscard]] int pidfd() const { return pidfd_.get(); }  // readable when it has ended
  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;  // nothing happens if it has ended
  // Reaps it; call when pidfd() is readable. The status as waitpid(2) gives it.
  Result<int> reap();

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

// The folder of this program's own file, for finding its siblings.
std::string own_folder();

}  // namespace milonga
