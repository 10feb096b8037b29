#include "autodriver/selftest_attempts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/core/unique_fd.h"
#include "sandbox/filter_eval.h"
#include "sandbox/policy/syscalls.h"

namespace milonga {
namespace {

int say(const char* word, const std::string& what) {
  std::printf("%s %s\n", word, what.c_str());
  std::fflush(stdout);
  return 0;
}

void attempt(const std::string& what, bool succeeded) {
  if (succeeded) say("ESCAPED", what);
}

[[noreturn]] void wait_for_the_end() {
  for (;;) ::pause();
}

int try_wall(const Planted&) {
  wait_for_the_end();
}

// Two processes, and one of them without a parent that would count it.
int try_cpu(const Planted&) {
  ::alarm(30);
  if (::fork() == 0) ::setsid();
  for (;;) __asm__ volatile("");
}

int try_memory(const Planted&) {
  constexpr std::size_t kPart = 1 << 20;
  for (std::uint64_t taken = 0; taken < 4 * kTrialMemory; taken += kPart) {
    void* part = ::mmap(nullptr, kPart, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (part == MAP_FAILED) return 1;
    std::memset(part, 1, kPart);
  }
  return say("ESCAPED", "four times the memory limit is in use");
}

int try_processes(const Planted&) {
  int made = 0;
  for (; made < 4 * kTrialProcesses; ++made) {
    const pid_t pid = ::fork();
    if (pid < 0) break;
    if (pid == 0) wait_for_the_end();  // it ends with the box
  }
  attempt("more processes than the limit", made >= kTrialProcesses);
  return 0;
}

// Writes up to `most` bytes into a new file; how many there are room for.
std::uint64_t fill(const char* name, std::uint64_t most) {
  static const std::string part(1 << 16, 'x');
  const UniqueFd fd(::open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  std::uint64_t size = 0;
  while (fd.valid() && size < most) {
    const ssize_t n = ::write(fd.get(), part.data(), part.size());
    if (n <= 0) break;
    size += static_cast<std::uint64_t>(n);
  }
  return size;
}

int try_disk(const Planted&) {
  std::uint64_t size = 0;
  for (const char* name : {"fill", "/tmp/fill", "/dev/shm/fill", "/var/tmp/fill"})
    size += fill(name, 2 * kTrialDisk);
  attempt("more bytes than the disk limit", size > kTrialDisk);
  return 1;
}

int try_inodes(const Planted&) {
  int made = 0;
  for (; made < 4 * kTrialInodes; ++made) {
    const UniqueFd fd(::open(("f" + std::to_string(made)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!fd.valid()) break;
  }
  attempt("more files than the limit", made >= kTrialInodes);
  return 1;
}

int try_file_size(const Planted&) {
  ::signal(SIGXFSZ, SIG_IGN);
  attempt("a file larger than the limit", fill("large", 2 * kTrialFile) > kTrialFile);
  return 0;
}

int try_open_files(const Planted&) {
  std::vector<UniqueFd> files;
  for (int i = 0; i < 4 * kTrialOpenFiles; ++i) {
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) break;
    files.push_back(std::move(fd));
  }
  attempt("more open files than the limit", files.size() >= static_cast<std::size_t>(kTrialOpenFiles));
  return 0;
}

int try_output(const Planted&) {
  const std::string line(1023, 'x');
  for (std::uint64_t size = 0; size < 16 * kTrialOutput; size += line.size() + 1) std::puts(line.c_str());
  return 0;
}

// A daemon by the book, with the name that is looked for afterwards.
int try_kill(const Planted& planted) {
  if (::fork() != 0) return 0;
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  for (int signal = 1; signal < 32; ++signal) ::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NAME, (planted.process + "d").c_str(), 0, 0, 0);
  wait_for_the_end();
}

bool connects(int family, int type, const sockaddr* address, socklen_t size) {
  const UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  return fd.valid() && ::connect(fd.get(), address, size) == 0;
}

bool connects_to(const char* host, int port, int type) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, host, &to.sin_addr);
  return connects(AF_INET, type, reinterpret_cast<sockaddr*>(&to), sizeof to);
}

int try_network(const Planted& planted) {
  const int port = static_cast<int>(std::strtol(planted.port.c_str(), nullptr, 10));
  attempt("the host's loopback", connects_to("127.0.0.1", port, SOCK_STREAM));
  // Of a datagram socket, connect(2) only asks whether there is a route (RFC 5737: an address of nobody's).
  attempt("a route out", connects_to("198.51.100.1", 53, SOCK_DGRAM));
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path + 1, planted.abstract.data(), planted.abstract.size());
  attempt("an abstract socket of the host",
          connects(AF_UNIX, SOCK_STREAM, reinterpret_cast<sockaddr*>(&to),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + planted.abstract.size())));
  return 0;
}

int try_filesystem(const Planted& planted) {
  const auto opens = [](const std::string& path, int how) {
    return UniqueFd(::open(path.c_str(), how | O_CLOEXEC | O_NONBLOCK, 0600)).valid();
  };
  for (const char* directory : {"/", "/usr", "/usr/bin", "/etc", "/var", "/sys", "/proc", "/boot", "/root"})
    attempt(std::string("a new file in ") + directory,
            opens(std::string(directory) + "/selftest", O_WRONLY | O_CREAT));
  for (const char* file :
       {"/etc/passwd", "/usr/bin/env", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"})
    attempt(std::string("writing to ") + file, opens(file, O_WRONLY));
  for (const char* file : {"/etc/shadow", "/dev/mem", "/dev/kmsg", "/proc/kcore"})
    attempt(std::string("reading ") + file, opens(file, O_RDONLY));
  attempt("reading a file of the host's /tmp", opens(planted.file, O_RDONLY));
  return 0;
}

int try_visibility(const Planted& planted) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    const auto pid = static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10));
    std::string comm;
    if (pid <= 0 || !std::getline(std::ifstream(entry.path() / "comm"), comm) || comm != planted.process)
      continue;
    say("SEEN", "a process of the host");
    attempt("a signal to a process of the host", ::kill(pid, 0) == 0);
  }
  const auto key = static_cast<key_t>(std::strtol(planted.shm_key.c_str(), nullptr, 10));
  attempt("shared memory of the host", ::shmget(key, 0, 0) >= 0);
  return 0;
}

int try_privilege(const Planted&) {
  attempt("uid 0", ::setresuid(0, 0, 0) == 0 || ::setuid(0) == 0);
  attempt("gid 0", ::setresgid(0, 0, 0) == 0);
  attempt("a user namespace", ::unshare(CLONE_NEWUSER) == 0);
  attempt("a mount", ::mount("x", "/tmp", "tmpfs", 0, nullptr) == 0);
  attempt("chroot", ::chroot(".") == 0);
  attempt("a device", ::mknod("device", S_IFCHR | 0600, ::makedev(1, 1)) == 0);
  attempt("a lower nice value", ::nice(-1) != -1);
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const bool capabilities =
        line.starts_with("Cap") && line.find_first_not_of("0", line.find('\t') + 1) < line.size();
    attempt("capabilities: " + line, capabilities);
    attempt("no_new_privs is not set", line.starts_with("NoNewPrivs:") && !line.ends_with('1'));
  }
  return 0;
}

// uretprobe and uprobe: since 6.14 the kernel lets them pass every filter (kernel/seccomp.c), and answers
// with SIGILL whoever is not in a trampoline of its own making.
constexpr int kUnfilteredFirst = 335, kUnfilteredLast = 336;

// Every call that the policy answers with an error, with arguments that no call can use.
int try_syscalls(const Planted&) {
  for (int number = 0; number <= kNewestReviewedCall; ++number) {
    seccomp_data call{};
    call.nr = number;
    call.arch = kPolicyArch;
    for (auto& argument : call.args) argument = ~0ull;
    const std::uint32_t answer = declared(profile(ProfileId::course), call).answer;
    const int code = static_cast<int>(answer & SECCOMP_RET_DATA);
    if ((answer & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO || code == 0) continue;
    if (number >= kUnfilteredFirst && number <= kUnfilteredLast) continue;
    errno = 0;
    const long result = ::syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
    attempt("system call " + std::to_string(number), result != -1 || errno != code);
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    long result = 20;  // getpid of the 32-bit table
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  attempt("a call of the 32-bit table", !WIFSIGNALED(status));
  return 0;
}

struct Attempt {
  const char* name;
  int (*body)(const Planted&);
};
constexpr Attempt kAttempts[] = {
    {"wall", try_wall},
    {"cpu", try_cpu},
    {"memory", try_memory},
    {"processes", try_processes},
    {"disk", try_disk},
    {"inodes", try_inodes},
    {"file_size", try_file_size},
    {"open_files", try_open_files},
    {"output", try_output},
    {"kill", try_kill},
    {"network", try_network},
    {"filesystem", try_filesystem},
    {"visibility", try_visibility},
    {"privilege", try_privilege},
    {"syscalls", try_syscalls},
};

}  // namespace

int attempt_in_box(const std::string& name, const Planted& planted) {
  for (const Attempt& row : kAttempts) {
    if (name != row.name) continue;
    const int status = row.body(planted);
    say("done", name);
    return status;
  }
  return 64;
}

}  // namespace milonga
