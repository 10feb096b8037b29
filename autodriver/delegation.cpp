#include "autodriver/delegation.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

namespace milonga {
namespace {

struct Hierarchy {
  const char* controller;  // as in /proc/self/cgroup; "" is v2
  const char* mounts[2];
};
constexpr Hierarchy kHierarchies[] = {
    {"", {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}},
    {"memory", {"/sys/fs/cgroup/memory", nullptr}},
    {"pids", {"/sys/fs/cgroup/pids", nullptr}},
    {"cpuacct", {"/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"}},
};

bool has_word(std::string_view list, std::string_view word) {
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    if (list.substr(at, comma - at) == word) return true;
    at = comma + 1;
  }
  return false;
}

// Our path in this hierarchy, from "<n>:<controllers>:<path>" (cgroups(7)); empty: we are in none.
std::string own_path(const Hierarchy& hierarchy) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (*hierarchy.controller == '\0' ? controllers.empty() : has_word(controllers, hierarchy.controller))
      return line.substr(second + 1);
  }
  return {};
}

std::string first_line(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

// Delegation is the right to write into these files (and to make directories beside them).
bool is_given_to_us(const std::string& file) { return UniqueFd(::open(file.c_str(), O_WRONLY | O_CLOEXEC)).valid(); }

// v2 gives controllers to the children of a group without processes only ("no internal processes").
bool can_have_limits(const std::string& directory, bool v2) {
  if (!v2) return true;
  if (first_line(directory + "/cgroup.subtree_control").find("memory") != std::string::npos) return true;
  return first_line(directory + "/cgroup.controllers").find("memory") != std::string::npos &&
         first_line(directory + "/cgroup.procs").empty() && is_given_to_us(directory + "/cgroup.subtree_control");
}

UniqueFd find(const Hierarchy& hierarchy) {
  std::string path = own_path(hierarchy);
  if (path.empty()) return {};
  for (const char* mount : hierarchy.mounts) {
    if (mount == nullptr || !std::ifstream(mount + path + "/cgroup.procs")) continue;
    UniqueFd without_limits;  // still tells when the box is empty, and kills it as one
    for (;; path.erase(path.rfind('/'))) {
      const std::string directory = mount + path;
      if (is_given_to_us(directory + "/cgroup.procs")) {
        UniqueFd found(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (can_have_limits(directory, *hierarchy.controller == '\0')) return found;
        if (!without_limits.valid()) without_limits = std::move(found);
      }
      if (path.find('/') == std::string::npos) return without_limits;
    }
  }
  return {};
}

}  // namespace

bool DelegatedCgroups::any() const {
  return std::any_of(directory.begin(), directory.end(), [](const UniqueFd& fd) { return fd.valid(); });
}

std::array<int, 4> DelegatedCgroups::numbers() const {
  return {directory[0].get(), directory[1].get(), directory[2].get(), directory[3].get()};
}

DelegatedCgroups find_delegated_cgroups() {
  DelegatedCgroups found;
  for (std::size_t i = 0; i < found.directory.size(); ++i) found.directory[i] = find(kHierarchies[i]);
  return found;
}

}  // namespace milonga
