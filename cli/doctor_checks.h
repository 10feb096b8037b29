// The questions that `milonga doctor` asks of the host, besides the demands.
//
// Privilege: none (the caller's).
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "sandbox/probe.h"

namespace milonga::cli {

struct Check {
  enum class Level { good, note, weak };  // weak: a promise cannot be kept; note: worth knowing
  std::string name;
  Level level = Level::good;
  std::string what;
  std::string hint;  // how to get better; may be empty
};

// `box_problem`: why no test box could be built, or empty; `programs`: the
// tools that the job in it found, one path a line.
std::vector<Check> check_host(const HostProbe& host, const std::string& box_problem,
                              const std::string& programs, const Arguments& arguments);

}  // namespace milonga::cli
