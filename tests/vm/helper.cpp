// What the shell in the guest cannot do: eat memory, fork, and time a death. Hostile but bounded.
//
//   helper memory MIB                  touches that much memory
//   helper forks N                     forks N times (each child sleeps 2 s), prints how many were refused
//   helper kill SUPERVISOR VICTIM...   SIGKILLs the first, prints the ms until the last victim is dead
//
// Exit: 0 done; 1 it could not be (kill: not dead after 5 s each); 64 usage.
//
// Privilege: root, in the guest only.
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/core/clock.h"

namespace {

constexpr std::size_t kMiB = 1 << 20;

int eat_memory(long mib) {
  for (long i = 0; i < mib; ++i) {
    void* block = std::malloc(kMiB);  // never freed: that is the point
    if (block == nullptr) return 1;
    std::memset(block, 1, kMiB);
  }
  return 0;
}

int fork_many(long count) {
  long refused = 0;
  for (long i = 0; i < count; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::sleep(2);
      ::_exit(0);
    }
    if (pid < 0) ++refused;
  }
  std::printf("refused %ld\n", refused);
  return 0;
}

int time_the_deaths(pid_t supervisor, const std::vector<pid_t>& victims) {
  std::vector<pollfd> alive;  // pidfds: readable once the process is dead, pidfd_open(2)
  for (const pid_t victim : victims) {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, victim, 0));
    if (fd < 0) return 1;
    alive.push_back({fd, POLLIN, 0});
  }
  const auto sent = milonga::now_ns();
  if (::kill(supervisor, SIGKILL) != 0) return 1;
  for (pollfd& one : alive)
    if (::poll(&one, 1, 5000) != 1) return 1;
  std::printf("%ld\n", static_cast<long>((milonga::now_ns() - sent) / 1'000'000));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  const std::string_view verb = argv[1];
  if (verb == "memory") return eat_memory(std::atol(argv[2]));
  if (verb == "forks") return fork_many(std::atol(argv[2]));
  if (verb != "kill") return 64;
  std::vector<pid_t> victims;
  for (int i = 3; i < argc; ++i) victims.push_back(std::atoi(argv[i]));
  return time_the_deaths(std::atoi(argv[2]), victims);
}
