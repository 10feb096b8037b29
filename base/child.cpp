#include "base/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

extern char** environ;

namespace milonga {
namespace {

struct FileActions {
  posix_spawn_file_actions_t actions;
  FileActions() { ::posix_spawn_file_actions_init(&actions); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
};

struct Attributes {
  posix_spawnattr_t attributes;
  Attributes() {
    ::posix_spawnattr_init(&attributes);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);  // ours are blocked, for signalfd
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    // A group of its own: Ctrl-C at the daemon's terminal is for the daemon.
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes,
                               POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~Attributes() { ::posix_spawnattr_destroy(&attributes); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
};

}  // namespace

Result<Child> Child::spawn(const ChildPlan& plan) {
  FileActions actions;
  Attributes attributes;
  // A dup2 to a number that a later one reads from would overwrite it: first all out of the way.
  std::vector<UniqueFd> copies;
  for (const auto& [ours, theirs] : plan.descriptors) {
    (void)theirs;
    copies.emplace_back(::fcntl(ours, F_DUPFD_CLOEXEC, 64));
    if (!copies.back().valid()) return fail_errno("pass a descriptor to", plan.argv[0]);
  }
  for (std::size_t i = 0; i < copies.size(); ++i)
    ::posix_spawn_file_actions_adddup2(&actions.actions, copies[i].get(), plan.descriptors[i].second);
  std::vector<char*> argv;
  for (const std::string& argument : plan.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> environment;
  if (plan.environment) {
    for (const std::string& variable : *plan.environment) environment.push_back(const_cast<char*>(variable.c_str()));
    environment.push_back(nullptr);
  }
  Child child;
  const int error = ::posix_spawn(&child.pid_, plan.argv[0].c_str(), &actions.actions, &attributes.attributes,
                                  argv.data(), plan.environment ? environment.data() : environ);
  if (error != 0) return fail_errno("start", plan.argv[0], {}, error);
  // The pid is ours until we reap it, so this cannot name a stranger.
  child.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0)));
  if (!child.pidfd_.valid()) {
    auto failed = fail_errno("watch", plan.argv[0]);
    (void)::kill(child.pid_, SIGKILL);  // nobody would ever reap it
    (void)::waitpid(child.pid_, nullptr, 0);
    return failed;
  }
  return child;
}

void Child::signal(int number) const {
  if (pidfd_.valid()) (void)::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

Result<int> Child::reap() {
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) return fail_errno("reap a child", "");
  pidfd_.reset();
  return status;
}

std::string own_folder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

}  // namespace milonga
