// The floor under a box: the same means as ours (namespaces, fresh cgroup v1
// groups, read-only root, filter, ids of its own) with the fewest system calls
// that this kernel lets them cost, and neither checks nor evidence. What a box
// costs is quoted as a ratio to this, taken in the same run, round-robin.
//
//   floor RUNS GAP_MS [--column NAME COMMAND ARGUMENT...]...
//
// Prints one line per run: NAME, tab, microseconds. Columns of its own:
//   spawn           posix_spawn of the payload
//   direct          vfork-style clone, five namespaces and a ready network namespace
//   direct_newnet   the same with a fresh network namespace, which is what a box has today
// Every further column is a command, started by posix_spawn. GAP_MS is idle time
// before each run: what a job meets on a quiet server.
//
// Privilege: root (a benchmark; never installed).
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/unique_fd.h"
#include "sandbox/filters.h"
#include "sandbox/policy/mounts.h"

namespace milonga {
namespace {

// A static program that the host's own system has: dynamic linking would hide what is measured.
const char* const kPayload[] = {"/usr/bin/busybox", "true", nullptr};
constexpr unsigned kIds = 65534;

struct Group {
  const char* hierarchy;
  const char* limit_file;
  const char* limit;
};
constexpr std::array<Group, 3> kGroups = {{
    {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "2147483648"},
    {"/sys/fs/cgroup/pids", "pids.max", "513"},
    {"/sys/fs/cgroup/cpuacct", nullptr, nullptr},
}};

volatile sig_atomic_t interrupted = 0;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "floor: %s%s%s\n", what.c_str(), errno == 0 ? "" : ": ",
               errno == 0 ? "" : std::strerror(errno));
  std::exit(1);
}

void write_file(const std::string& path, const char* text) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid() || ::write(fd.get(), text, std::strlen(text)) < 0) die("cannot write " + path);
}

// What the child of `direct` needs; it runs in the parent's memory, so it allocates nothing.
struct Plan {
  const char* root;
  int net;                   // ready network namespace, or -1
  std::array<int, 3> tasks;  // one `tasks` file per group
  sock_fprog filter;
  const char* failed = nullptr;
};

bool bind_read_only(const char* from, const char* to) {
  UniqueFd tree(
      static_cast<int>(::open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)));
  struct mount_attr attr {};
  attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  return ::mkdir(to, 0755) == 0 &&
         ::mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) == 0 &&
         ::move_mount(tree.get(), "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

// A small tmpfs with the host's /usr and /etc read-only, /dev/null, /proc, and one writable tmpfs.
const char* enter_root(const char* root) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "private";
  if (::mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NOEXEC, kRootOptions) != 0 || ::chdir(root) != 0)
    return "root";
  if (!bind_read_only("/usr", "usr") || !bind_read_only("/etc", "etc")) return "bind";
  for (const char* link : {"bin", "sbin", "lib", "lib64"}) {
    char target[16];
    std::snprintf(target, sizeof target, "usr/%s", link);
    if (::symlink(target, link) != 0) return "symlink";
  }
  for (const char* name : {"dev", "tmp", "proc"})
    if (::mkdir(name, 0755) != 0) return "mkdir";
  if (::mknod("dev/null", S_IFCHR | 0666, makedev(1, 3)) != 0) return "mknod";
  if (::mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1g,nr_inodes=100000,mode=1777") != 0)
    return "tmp";
  if (::mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, kProcOptions) != 0) return "proc";
  if (::syscall(SYS_pivot_root, ".", ".") != 0 || ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0)
    return "pivot";
  struct mount_attr attr {};
  attr.attr_set = MOUNT_ATTR_RDONLY;
  return ::mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof attr) == 0 ? nullptr : "read-only";
}

const char* become_payload(const Plan& plan) {
  // Writing one's own "0" to `tasks` takes no lock; another's pid in
  // cgroup.procs waits 7 to 13 ms for an RCU grace period.
  for (const int tasks : plan.tasks)
    if (::write(tasks, "0", 1) != 1) return "tasks";
  if (plan.net >= 0 && ::setns(plan.net, CLONE_NEWNET) != 0) return "setns";
  if (const char* failed = enter_root(plan.root)) return failed;
  // Plain system calls: those of libc would tell the parent's threads, whose memory this is.
  if (::syscall(SYS_setgroups, 0, nullptr) != 0 || ::syscall(SYS_setresgid, kIds, kIds, kIds) != 0 ||
      ::syscall(SYS_setresuid, kIds, kIds, kIds) != 0)
    return "ids";
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &plan.filter) != 0)
    return "filter";
  ::execv(kPayload[0], const_cast<char* const*>(kPayload));
  return "exec";
}

int child_main(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  plan.failed = become_payload(plan);
  ::_exit(125);
}

bool ended_well(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) die("waitpid");
  return status == 0;
}

class Floor {
 public:
  Floor() : base_("/milonga-floor." + std::to_string(::getpid())) {
    char name[] = "/tmp/milonga-floor.XXXXXX";
    if (::mkdtemp(name) == nullptr) die("mkdtemp");
    root_ = name;
    for (const Group& group : kGroups)
      if (::mkdir((group.hierarchy + base_).c_str(), 0755) != 0)
        die(std::string("cannot make a cgroup in ") + group.hierarchy + " (the floor needs cgroup v1)");
    UniqueFd home(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (::unshare(CLONE_NEWNET) != 0) die("unshare");
    ready_net_.reset(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (::setns(home.get(), CLONE_NEWNET) != 0) die("setns");
  }
  ~Floor() {
    for (const Group& group : kGroups) remove_group(group.hierarchy + base_);
    ::rmdir(root_.c_str());
  }
  Floor(const Floor&) = delete;
  Floor& operator=(const Floor&) = delete;

  void direct(int network_flag) {
    const std::string leaf = base_ + "/" + std::to_string(++runs_);
    Plan plan{root_.c_str(), network_flag == 0 ? ready_net_.get() : -1, {}, {}};
    std::array<UniqueFd, 3> tasks;
    for (std::size_t i = 0; i < kGroups.size(); ++i) {
      const std::string path = kGroups[i].hierarchy + leaf;
      if (::mkdir(path.c_str(), 0755) != 0) die("cannot make " + path);
      if (kGroups[i].limit_file != nullptr) write_file(path + "/" + kGroups[i].limit_file, kGroups[i].limit);
      tasks[i].reset(::open((path + "/tasks").c_str(), O_WRONLY | O_CLOEXEC));
      plan.tasks[i] = tasks[i].get();
    }
    const auto filter = filter_of(ProfileId::course).program;
    plan.filter = {static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
    const int flags =
        CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | network_flag;
    const pid_t pid =
        ::clone(child_main, stack_ + sizeof stack_, CLONE_VM | CLONE_VFORK | SIGCHLD | flags, &plan);
    if (pid < 0) die("clone");
    const bool well = ended_well(pid);
    for (const Group& group : kGroups) remove_group(group.hierarchy + leaf);
    if (!well)
      die(std::string("the payload did not run, at: ") + (plan.failed == nullptr ? "run" : plan.failed));
  }

 private:
  // The kernel lets go of the dead process a moment after it was reaped, and there is no event for it.
  static void remove_group(const std::string& path) {
    while (::rmdir(path.c_str()) != 0 && errno == EBUSY) ::sched_yield();
  }

  alignas(16) inline static char stack_[256 * 1024];
  std::string base_, root_;
  UniqueFd ready_net_;
  long runs_ = 0;
};

void spawn(const std::vector<const char*>& command) {
  static const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, null.get(), STDOUT_FILENO);
  pid_t pid = -1;
  errno =
      ::posix_spawnp(&pid, command[0], &actions, nullptr, const_cast<char* const*>(command.data()), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (errno != 0) die(std::string("cannot start ") + command[0]);
  if (!ended_well(pid)) die(std::string(command[0]) + " failed");
}

struct Column {
  const char* name;
  std::vector<const char*> command;  // empty: one of our own
};

double now_us() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

void run(Floor& floor, const Column& column, long gap_ms) {
  const timespec gap{gap_ms / 1000, gap_ms % 1000 * 1'000'000};
  if (gap_ms > 0) ::nanosleep(&gap, nullptr);
  const double began = now_us();
  if (!column.command.empty())
    spawn(column.command);
  else
    floor.direct(std::string_view(column.name) == "direct_newnet" ? CLONE_NEWNET : 0);
  std::printf("%s\t%.1f\n", column.name, now_us() - began);
}

std::vector<Column> columns_of(int argc, char** argv) {
  std::vector<Column> columns = {
      {"spawn", {kPayload[0], kPayload[1], nullptr}}, {"direct", {}}, {"direct_newnet", {}}};
  for (int i = 3; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--column") {
      if (i + 2 >= argc) return {};
      columns.push_back({argv[i + 1], {}});
      ++i;
    } else if (columns.size() > 3) {
      columns.back().command.push_back(argv[i]);
    }
  }
  for (std::size_t i = 3; i < columns.size(); ++i) columns[i].command.push_back(nullptr);
  return columns;
}

bool parse(std::string_view text, long& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value >= 0 && value <= 100'000;
}

}  // namespace
}  // namespace milonga

int main(int argc, char** argv) {
  using namespace milonga;
  long runs = 0, gap_ms = 0;
  const std::vector<Column> columns = columns_of(argc, argv);
  if (argc < 3 || !parse(argv[1], runs) || !parse(argv[2], gap_ms) || columns.empty()) {
    std::fprintf(stderr, "usage: floor RUNS GAP_MS [--column NAME COMMAND ARGUMENT...]...\n");
    return 64;
  }
  struct sigaction stop {};
  stop.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &stop, nullptr);
  ::sigaction(SIGTERM, &stop, nullptr);
  static Floor floor;  // destroyed by exit() as well, so that no cgroup stays
  for (const Column& column : columns) run(floor, column, 0);  // warm: printed, and dropped by the reader
  for (long i = 0; i < runs && interrupted == 0; ++i)
    for (const Column& column : columns) run(floor, column, gap_ms);
  return interrupted != 0 ? 130 : 0;
}
