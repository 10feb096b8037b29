#include "cli/doctor_checks.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/size.h"
#include "queue/disk_linux.h"

namespace milonga::cli {
namespace {

namespace fs = std::filesystem;
using Level = Check::Level;

// The privileged program, where the front looks for it: beside the programs, or in libexec.
Check check_core(const HostProbe& host) {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& path :
       {beside / "autodriver-core", beside.parent_path() / "libexec/milonga/autodriver-core"}) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) continue;
    const std::string what = fmt::format("{}, owner {}, mode {:04o}", path.string(), info.st_uid,
                                         static_cast<unsigned>(info.st_mode) & 07777u);
    const bool setuid_root = info.st_uid == 0 && (info.st_mode & S_ISUID) != 0;
    if ((info.st_mode & S_IWOTH) != 0 || (setuid_root && (info.st_mode & S_IWGRP) != 0))
      return {"core", Level::weak, what + ": others can write it", "chmod 4750 " + path.string()};
    if (setuid_root || host.may_build_boxes) return {"core", Level::good, what, ""};
    return {"core", Level::weak, what + ": has no privilege when you run it",
            fmt::format("as root: chown root:milonga {0} && chmod 4750 {0}", path.string())};
  }
  return {"core", Level::weak, "there is no autodriver-core beside " + beside.string(),
          "install Milonga: cmake --install BUILD"};
}

Check check_kernel(const HostProbe& host) {
  std::string missing;
  for (const std::string& call : host.missing_calls) missing += " " + call;
  for (const NamespaceProbe& n : host.namespaces)
    if (n.error != 0 && n.error != EPERM) missing += " " + n.name + "-namespace";
  if (!host.seccomp_filter) missing += " seccomp-filter";
  if (missing.empty()) return {"kernel", Level::good, host.kernel + " has all that boxes are built with", ""};
  return {"kernel", Level::weak, host.kernel + " lacks" + missing,
          "use a kernel of 5.12 or newer, not in a container that forbids them"};
}

Check check_cgroups(const HostProbe& host) {
  std::string what;
  for (const ControllerProbe& c : host.controllers)
    if (c.version != 0) what += fmt::format("{}{} v{}", what.empty() ? "" : ", ", c.name, c.version);
  return {"cgroups", what.empty() ? Level::weak : Level::good,
          what.empty() ? "no controller is mounted" : what,
          what.empty() ? "mount -t cgroup2 none /sys/fs/cgroup" : ""};
}

// A crash in a box would start a helper outside of it, as root. Boxes keep it from
// that (RLIMIT_CORE is 1 there), so it is only worth knowing.
Check check_core_dumps(const HostProbe& host) {
  if (!host.core_pattern.starts_with('|'))
    return {"core dumps", Level::good, "no program is started when one crashes", ""};
  return {"core dumps", Level::note,
          "a crash on this host starts " + host.core_pattern.substr(1) + " as root",
          "boxes prevent it; to be doubly sure: sysctl kernel.core_pattern=core"};
}

Check check_tools(const std::string& programs) {
  const bool make = programs.find("/make") != std::string::npos;
  const bool gcc = programs.find("/gcc") != std::string::npos;
  if (make && gcc) return {"tools", Level::good, "make and gcc are there for jobs", ""};
  const std::string lacking = make ? "gcc" : gcc ? "make" : "make and gcc";
  return {"tools", Level::note, "jobs on the default image find no " + lacking,
          "apt install make gcc, or use an image that has them"};
}

// Is somebody holding the spool? Asked of /proc/locks: trying the lock could stop a daemon that starts just
// now.
bool daemon_is_alive(const std::string& spool) {
  struct stat info {};
  if (::stat((spool + "/lock").c_str(), &info) != 0) return false;
  const std::string inode = fmt::format(":{} ", info.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);)
    if (line.find("FLOCK") != std::string::npos && line.find(inode) != std::string::npos) return true;
  return false;
}

Check check_spool(const Arguments& arguments) {
  const auto queue = open_queue(arguments);
  if (!queue) return {"spool", Level::note, queue.error().what, queue.error().hint};
  const std::string unfit = queue::unfit_file_system(arguments.spool, false);
  if (!unfit.empty()) return {"spool", Level::weak, unfit, "keep the spool on a local disk with ext4 or XFS"};
  const auto stats = (*queue)->stats();
  if (!stats) return {"spool", Level::weak, stats.error().what, stats.error().hint};
  const std::string what = fmt::format("{}: {} waiting, {} running, {} done, {} unreadable", arguments.spool,
                                       stats->waiting, stats->running, stats->done, stats->bad);
  if (stats->bad > 0)
    return {"spool", Level::weak, what, "the reasons are in " + arguments.spool + "/bad/*.why"};
  if (!daemon_is_alive(arguments.spool))
    return {"spool", Level::note, what + "; no daemon works on it",
            "start it: milongad --spool " + arguments.spool};
  return {"spool", Level::good, what, ""};
}

}  // namespace

std::vector<Check> check_host(const HostProbe& host, const std::string& box_problem,
                              const std::string& programs, const Arguments& arguments) {
  std::vector<Check> checks;
  if (box_problem.empty())
    checks.push_back({"box", Level::good, "one was built, used and removed", ""});
  else
    checks.push_back({"box", Level::weak, box_problem, "see core, kernel and cgroups below"});
  checks.push_back(check_core(host));
  checks.push_back(
      {"you", Level::good, fmt::format("uid {}, capabilities {}", ::getuid(), host.capabilities), ""});
  checks.push_back(check_kernel(host));
  checks.push_back(check_cgroups(host));
  checks.push_back({"swap", Level::good, host.swap_bytes == 0 ? "none" : human_size(host.swap_bytes), ""});
  checks.push_back(check_core_dumps(host));
  if (box_problem.empty()) checks.push_back(check_tools(programs));
  checks.push_back(check_spool(arguments));
  return checks;
}

}  // namespace milonga::cli
