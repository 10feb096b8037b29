// The installed, setuid autodriver-core, started by an unprivileged user who follows none of the front's rules.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/unique_fd.h"
#include "sandbox/core/slot.h"
#include "sandbox/model/request.h"
#include "sandbox/model/response.h"

namespace milonga::core {
namespace {

namespace fs = std::filesystem;
constexpr uid_t kNobody = 65534;
constexpr int kPatienceMs = 20'000;

void become_nobody() {
  if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(99);
}

int run_as_nobody(const std::function<int()>& action) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    become_nobody();
    ::_exit(action());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// One start of the core, with everything that a caller can choose.
struct Start {
  std::unique_ptr<Request> request = std::make_unique<Request>();
  bool sealed = true;
  int image = -1, control = -1, error_output = -1;  // control -1: a fresh pair
  std::string cgroup_procs;                         // of a group to start in
};

class Running {
 public:
  Running(const std::string& core, const Start& start) {
    int pair[2] = {-1, -1}, output[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    EXPECT_EQ(::pipe2(output, O_CLOEXEC), 0);
    owner_.reset(pair[0]);
    output_.reset(output[0]);
    const UniqueFd theirs(pair[1]), write_end(output[1]);
    const UniqueFd memfd(::memfd_create("request", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::write(memfd.get(), start.request.get(), sizeof(Request)), static_cast<ssize_t>(sizeof(Request)));
    if (start.sealed) ::fcntl(memfd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    pid_ = ::fork();
    if (pid_ == 0) {
      if (const UniqueFd procs(::open(start.cgroup_procs.c_str(), O_WRONLY | O_CLOEXEC));
          !start.cgroup_procs.empty() && ::write(procs.get(), "0", 1) != 1)
        ::_exit(97);
      become_nobody();
      if (start.error_output >= 0) ::dup2(start.error_output, 2);
      const int from[] = {memfd.get(), start.control >= 0 ? start.control : theirs.get(), write_end.get(), -1, start.image};
      for (int i = 0; i < 5; ++i)
        if (from[i] >= 0) ::dup2(from[i], 200 + i);
      for (int i = 0; i < 5; ++i) {
        ::close(kFdRequest + i);
        if (from[i] >= 0) ::dup2(200 + i, kFdRequest + i);
      }
      ::close_range(8, ~0u, 0);
      ::execl(core.c_str(), "autodriver-core", nullptr);
      ::_exit(98);
    }
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    owner_.reset();
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }

  std::optional<Response> answer() const {
    pollfd wait{owner_.get(), POLLIN, 0};
    Response response;
    if (::poll(&wait, 1, kPatienceMs) != 1 ||
        ::recv(owner_.get(), &response, sizeof response, 0) != static_cast<ssize_t>(sizeof response))
      return std::nullopt;
    return response;
  }
  bool says_something() const { return output_is(POLLIN); }
  bool box_is_dead() const { return output_is(POLLHUP); }  // nobody else writes there
  bool ends() {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    pollfd wait{process.get(), POLLIN, 0};
    if (::poll(&wait, 1, kPatienceMs) != 1) return false;
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    return true;
  }

 private:
  bool output_is(short event) const {
    pollfd wait{output_.get(), event, 0};
    return ::poll(&wait, 1, kPatienceMs) == 1 && (wait.revents & event) != 0;
  }

  UniqueFd owner_, output_;
  pid_t pid_ = -1;
};

class HostileCaller : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: only root can install a setuid program";
    char name[] = "/var/tmp/milonga-caller.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    fs::permissions(folder_, fs::perms(0755));
    core_ = folder_ / "autodriver-core";
    fs::copy_file(fs::read_symlink("/proc/self/exe").parent_path() / "autodriver-core", core_);
    ASSERT_EQ(::chmod(core_.c_str(), 04755), 0);
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  static Start start(const std::vector<std::string>& command) {
    Start s;
    Request& r = *s.request;
    r.limits = default_limits();
    std::strcpy(r.work_name, "lab");
    const auto add = [&](const std::string& word) {
      std::memcpy(r.strings + r.strings_size, word.c_str(), word.size() + 1);
      r.strings_size += static_cast<std::uint32_t>(word.size() + 1);
    };
    for (const std::string& word : command) add(word);
    add("PATH=/usr/bin:/bin");
    r.argc = static_cast<std::uint32_t>(command.size());
    r.envc = 1;
    return s;
  }

  fs::path folder_;
  std::string core_;
};

TEST_F(HostileCaller, WhoFollowsTheRulesGetsHisBox) {
  const auto answer = Running(core_, start({"true"})).answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->verdict, Verdict::ok) << answer->failed_what;
}

// flock(2) needs no more than a descriptor: whoever can open the directory can keep every box from starting.
TEST_F(HostileCaller, CannotLockTheStateDirectory) {
  ASSERT_TRUE(Running(core_, start({"true"})).answer());
  EXPECT_EQ(run_as_nobody([] {
              const int fd = ::open(state_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
              return fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0 ? 1 : fd >= 0 ? 2 : 0;
            }),
            0);
}

// A service that believes the sender's uid would have a message of root's, SCM_CREDENTIALS in unix(7).
TEST_F(HostileCaller, CannotHaveRootSendToAService) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strcpy(name.sun_path, (folder_ / "service").c_str());
  const UniqueFd service(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const UniqueFd client(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(service.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  for (const bool sealed : {true, false}) {
    Start s = start({"true"});
    s.sealed = sealed;
    s.control = client.get();
    EXPECT_TRUE(Running(core_, s).ends());
    char got[4];
    EXPECT_LT(::recv(service.get(), got, sizeof got, MSG_DONTWAIT), 0) << "the service has got our answer";
  }
}

// O_PATH opens what the caller may not read; with it as image, what lies below would be the box's to read.
TEST_F(HostileCaller, CannotShowAnImageThatIsClosedToOthers) {
  fs::create_directories(folder_ / "private/papers");
  { const UniqueFd fd(::open((folder_ / "private/papers/secret").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)); }
  fs::copy_file("/bin/busybox", folder_ / "private/papers/busybox");
  fs::permissions(folder_ / "private", fs::perms(0700));
  const UniqueFd image(::open((folder_ / "private").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  Start s = start({"/papers/busybox", "cat", "/papers/secret"});
  s.request->flags = kHasImage;
  s.image = image.get();
  const auto refused = Running(core_, s).answer();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->verdict, Verdict::refused) << "the box has read it: " << refused->wait_status;
  fs::permissions(folder_ / "private", fs::perms(0755));
  const auto shown = Running(core_, s).answer();
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->verdict, Verdict::ok) << shown->failed_what;
}

TEST_F(HostileCaller, WhoIsRefusedLeavesNoCgroup) {
  Start s = start({"true"});
  s.request->require[static_cast<std::size_t>(Demand::syscalls)] = Rung::exact;  // and no filter
  for (int tries = 0; tries < 20; ++tries) {
    const auto answer = Running(core_, s).answer();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->verdict, Verdict::refused);
    const std::string slot = std::to_string(answer->slot);
    const UniqueFd lock(::open((std::string(state_dir()) + "/slots/" + slot).c_str(), O_RDWR | O_CLOEXEC));
    if (!lock.valid() || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;  // another box has it by now
    for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup"))
      EXPECT_FALSE(fs::exists(hierarchy.path() / "milonga" / ("box-" + slot))) << hierarchy.path();
    EXPECT_FALSE(fs::exists("/sys/fs/cgroup/milonga/box-" + slot));
    return;
  }
  FAIL() << "other boxes took the slot each time";
}

// The filter is the caller's, and our own last calls pass it: what it swallows must not be what starts the clock.
TEST_F(HostileCaller, CannotKeepTheWallLimitFromStarting) {
  Start s = start({"sleep", "30"});
  s.request->limits[LimitId::wall] = kSecond;
  const sock_filter swallow[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),  // 0: done, it says
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  std::memcpy(s.request->filter, swallow, sizeof swallow);
  s.request->filter_size = std::size(swallow);
  const auto answer = Running(core_, s).answer();
  ASSERT_TRUE(answer) << "no limit has ended it";
  EXPECT_EQ(answer->verdict, Verdict::wall_limit) << answer->failed_what;
}

// A group of cgroup v2 that is delegated to a user, as systemd's user@.service, is his to freeze, whoever runs in it.
TEST_F(HostileCaller, WhoFreezesTheSupervisorDoesNotStretchTheWallLimit) {
  const bool hybrid = fs::exists("/sys/fs/cgroup/unified/cgroup.procs");
  if (!hybrid && !fs::exists("/sys/fs/cgroup/cgroup.procs")) GTEST_SKIP() << "SKIPPED: no cgroup v2 here";
  const std::string group =
      std::string(hybrid ? "/sys/fs/cgroup/unified/" : "/sys/fs/cgroup/") + folder_.filename().string();
  fs::create_directory(group);
  const auto freeze = [&](const char* state) {
    const UniqueFd file(::open((group + "/cgroup.freeze").c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(::write(file.get(), state, 1), 1);
  };
  Start s = start({"sh", "-c", "echo up; exec sleep 60 >&2"});
  s.request->limits[LimitId::wall] = kSecond;
  s.cgroup_procs = group + "/cgroup.procs";
  {
    Running running(core_, s);
    EXPECT_TRUE(running.says_something());
    freeze("1");
    EXPECT_TRUE(running.box_is_dead()) << "the job outlives its wall limit";
    freeze("0");
    const auto answer = running.answer();
    EXPECT_TRUE(answer && answer->verdict == Verdict::wall_limit);
    EXPECT_TRUE(running.ends());
  }
  EXPECT_EQ(::rmdir(group.c_str()), 0);
}

// A process that root owns counts against no limit of the caller's, so none may wait for him when its work is done.
TEST_F(HostileCaller, CannotKeepTheCoreWaiting) {
  int pair[2], full[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  ASSERT_EQ(::pipe2(full, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd ours(pair[0]), theirs(pair[1]), reading(full[0]), writing(full[1]);
  char block[4096] = {};
  while (::send(theirs.get(), block, sizeof block, MSG_DONTWAIT) > 0) continue;
  while (::write(writing.get(), block, sizeof block) > 0) continue;
  ::fcntl(writing.get(), F_SETFL, 0);
  for (const bool closed : {false, true}) {
    Start s = start({"true"});
    s.sealed = false;
    s.control = closed ? reading.get() : theirs.get();
    s.error_output = writing.get();
    EXPECT_TRUE(Running(core_, s).ends()) << (closed ? "for standard error" : "for the control socket");
  }
}

}  // namespace
}  // namespace milonga::core
