#include "cli/autodriver_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/core/unique_fd.h"

namespace milonga::cli {
namespace {

namespace fs = std::filesystem;

// While one lives, these signals are readable instead of deadly.
class SignalCatcher {
 public:
  SignalCatcher() {
    sigset_t caught;
    ::sigemptyset(&caught);
    for (int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&caught, number);
    ::pthread_sigmask(SIG_BLOCK, &caught, &before_);
    fd_.reset(::signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  SignalCatcher(const SignalCatcher&) = delete;
  SignalCatcher& operator=(const SignalCatcher&) = delete;
  ~SignalCatcher() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const sigset_t& before() const { return before_; }
  void take() const {
    signalfd_siginfo info;
    while (::read(fd_.get(), &info, sizeof info) > 0) continue;
  }

 private:
  sigset_t before_{};
  UniqueFd fd_;
};

class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> create() {
    std::error_code error;
    const fs::path top = fs::temp_directory_path(error);
    if (error)
      return fail("TMPDIR names no directory: " + error.message(), "set it to one that you can write to");
    std::string path = (top / "milonga-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr)
      return fail_errno("create", path, "set TMPDIR to a directory that you can write to");
    return TemporaryDirectory(std::move(path));
  }
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;  // nothing of worth is in it
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<std::string> content_of(int fd) {
  std::string text;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (n < 0) return fail_errno("read", "what autodriver wrote");
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

struct ChildDescriptors {
  int in, out, err;
};

Result<pid_t> spawn(const std::vector<std::string>& argv, const ChildDescriptors& child,
                    const sigset_t& mask) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);  // ignored in this program
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&files, child.in, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, child.out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, child.err, STDERR_FILENO);
  ::posix_spawnattr_setsigmask(&attributes, &mask);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "autodriver";
  int code = ::posix_spawn(&pid, beside.c_str(), &files, &attributes, words.data(), environ);
  if (code == ENOENT) code = ::posix_spawnp(&pid, "autodriver", &files, &attributes, words.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (code != 0) return fail_errno("start", "autodriver", "it belongs beside milonga, or in PATH", code);
  return pid;
}

// Until the child has ended; a signal to us is handed on as SIGTERM, which cancels the run.
Result<int> wait_for(pid_t pid, const SignalCatcher& signals) {
  // Not pidfd_open(3): the header of glibc 2.36 gives it C++ linkage.
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd wait[2] = {{process.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
  while (process.valid() && wait[0].revents == 0) {
    if (::poll(wait, 2, -1) < 0 && errno != EINTR) break;
    if (wait[1].revents == 0) continue;
    signals.take();
    ::kill(pid, SIGTERM);
  }
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return fail_errno("wait for", "autodriver");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

}  // namespace

Result<AutodriverRun> run_autodriver(const std::vector<std::string>& arguments, int output_fd) {
  const TemporaryDirectory temporary = TRY(TemporaryDirectory::create());
  const std::string report = temporary.path() + "/report.json";
  std::vector<std::string> argv = {"autodriver", "--stream", "--lifeline", "--report=" + report};
  argv.insert(argv.end(), arguments.begin(), arguments.end());

  const SignalCatcher signals;
  const UniqueFd messages(::memfd_create("messages", MFD_CLOEXEC));
  int lifeline[2] = {-1, -1};
  if (!messages.valid() || ::pipe2(lifeline, O_CLOEXEC) != 0) return fail_errno("prepare", "the run");
  UniqueFd in(lifeline[0]);
  const UniqueFd alive(lifeline[1]);
  const pid_t pid = TRY(spawn(argv, {in.get(), output_fd, messages.get()}, signals.before()));
  in.reset();
  AutodriverRun run;
  run.exit_status = TRY(wait_for(pid, signals));
  run.messages = TRY(content_of(messages.get()));
  if (const UniqueFd file(::open(report.c_str(), O_RDONLY | O_CLOEXEC)); file.valid())
    run.report_json = TRY(content_of(file.get()));
  return run;
}

}  // namespace milonga::cli
