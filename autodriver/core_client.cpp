#include "autodriver/core_client.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstring>
#include <utility>

#include "sandbox/model/request.h"

namespace milonga {
namespace {

Result<std::string> find_core() {
  char self[PATH_MAX];
  const ssize_t n = ::readlink("/proc/self/exe", self, sizeof self - 1);
  if (n < 0) return fail_errno("read", "/proc/self/exe", "mount /proc");
  std::string folder(self, static_cast<std::size_t>(n));
  folder.erase(folder.rfind('/'));
  for (const char* place : {"/autodriver-core", "/../libexec/milonga/autodriver-core"}) {
    if (::access((folder + place).c_str(), X_OK) == 0) return folder + place;
  }
  return fail("cannot find autodriver-core",
              "it belongs into " + folder + " or " + folder + "/../libexec/milonga");
}

struct Moved {
  UniqueFd fd;
  int target = -1;
};

// Copies above all targets, so that no dup2 in the child overwrites what a later one needs.
using MovedUp = std::array<Moved, kFdLast + 1 - kFdRequest>;
Result<MovedUp> move_up(const CoreDescriptors& d, int control) {
  MovedUp moved;
  const int sources[] = {d.request, control, d.output, d.input, d.image, d.cgroups[0], d.cgroups[1], d.cgroups[2], d.cgroups[3]};
  static_assert(std::size(sources) == std::tuple_size_v<MovedUp>);
  for (std::size_t i = 0; i < moved.size(); ++i) {
    moved[i].target = kFdRequest + static_cast<int>(i);
    if (sources[i] < 0) continue;
    moved[i].fd.reset(::fcntl(sources[i], F_DUPFD_CLOEXEC, kFdLast + 1));
    if (!moved[i].fd.valid()) return fail_errno("copy a descriptor", "");
  }
  return moved;
}

// Exactly 0 to 2 and the named ones. A session of its own: the terminal's
// signals (Ctrl-C, hang-up) are ours to handle, the core hears of them from us.
Result<pid_t> spawn(const std::string& path, const MovedUp& descriptors) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  for (const Moved& moved : descriptors) {
    if (moved.fd.valid())
      ::posix_spawn_file_actions_adddup2(&actions, moved.fd.get(), moved.target);
    else
      ::posix_spawn_file_actions_addclose(&actions, moved.target);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&actions, kFdLast + 1);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  std::string name = "autodriver-core";
  char* const argv[] = {name.data(), nullptr};
  char* const environment[] = {nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, path.c_str(), &actions, &attributes, argv, environment);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return fail_errno("start", path, "", error);
  return pid;
}

}  // namespace

bool is_sound(const Response& r) {
  const auto is_below = [](auto value, std::size_t count) { return static_cast<std::size_t>(value) < count; };
  for (const Evidence& e : r.evidence) {
    if (!is_below(e.mechanism, kMechanismCount) || !is_below(e.rung, std::size(kRungNames))) return false;
  }
  return r.magic == kResponseMagic && r.version == 1 && is_below(r.verdict, kVerdictCount) &&
         is_below(r.failed_step, kStepCount) && is_below(r.kind, std::size(kBoxKindNames));
}

bool CoreClient::is_privileged() {
  if (::geteuid() == 0) return true;
  const auto path = find_core();
  struct stat st {};
  return path && ::stat(path->c_str(), &st) == 0 && st.st_uid == 0 && (st.st_mode & S_ISUID) != 0 &&
         ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
}

Result<std::string> CoreClient::program() {
  return find_core();
}

Result<CoreClient> CoreClient::start(const CoreDescriptors& descriptors) {
  const std::string path = TRY(find_core());
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return fail_errno("create a socket pair", "");
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  const MovedUp moved = TRY(move_up(descriptors, theirs.get()));
  const pid_t pid = TRY(spawn(path, moved));
  return CoreClient(std::move(ours), pid);
}

CoreClient::CoreClient(CoreClient&& other) noexcept
    : socket_(std::move(other.socket_)), pid_(std::exchange(other.pid_, -1)) {}

CoreClient::~CoreClient() {
  socket_.reset();
  reap();
}

void CoreClient::cancel() const {
  // Not sent: it has just answered, or is gone. Both are noticed elsewhere.
  (void)::send(socket_.get(), "c", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

Result<Response> CoreClient::receive() {
  Response response;
  const ssize_t n = ::recv(socket_.get(), &response, sizeof response, 0);
  if (n < 0) return fail_errno("receive autodriver-core's answer", "");
  if (n == 0) return fail("autodriver-core ended without an answer (" + reap() + ")");
  if (n != static_cast<ssize_t>(sizeof response) || !is_sound(response)) {
    return fail("autodriver-core's answer has another format", "install both programs again, of one version");
  }
  return response;
}

// How it ended, for people.
std::string CoreClient::reap() {
  if (pid_ < 0) return "already reaped";
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (WIFSIGNALED(status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status));  // none of a real-time signal
    return name != nullptr ? std::string("killed by SIG") + name : "killed by signal " + std::to_string(WTERMSIG(status));
  }
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace milonga
