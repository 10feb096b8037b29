// What a job can use up, told exactly: it runs inside a box, and its own count is held against the report's.
// Hostile but bounded.
//
//   consumer cpu plain|double-fork|ignored-children MS   burns MS of CPU in each of its processes; each prints what the
//                                                        kernel says that it used, as it ends
//   consumer forks|threads N                             makes N children that wait; prints how many were refused
//   consumer memory MIB                                  touches that much, a quarter of it in a file of /tmp
//
// Exit: 0 done; 64 usage.
//
// Privilege: job.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/core/clock.h"

namespace {

constexpr std::size_t kMiB = 1 << 20;

// Begins with what exec and fork took: the clock is the process's own, from its birth on.
void burn(long ms) {
  while (milonga::now_ns(CLOCK_PROCESS_CPUTIME_ID) < static_cast<std::uint64_t>(ms) * 1'000'000) {
  }
}

[[noreturn]] void end() {
  char line[48];
  const int size = std::snprintf(line, sizeof line, "cpu_ns %llu\n",
                                 static_cast<unsigned long long>(milonga::now_ns(CLOCK_PROCESS_CPUTIME_ID)));
  (void)!::write(1, line, static_cast<std::size_t>(size));
  ::_exit(0);
}

[[noreturn]] void use_cpu(std::string_view how, long ms) {
  int alive[2];  // ends when the last of them has
  if (::pipe(alive) != 0) ::_exit(1);
  if (how == "ignored-children") ::signal(SIGCHLD, SIG_IGN);  // no wait, so no rusage of theirs for anybody
  for (int i = 0; how != "plain" && i < 2; ++i) {
    if (::fork() != 0) continue;
    ::close(alive[0]);
    if (how == "double-fork") {
      ::setsid();
      if (::fork() != 0) end();
    }
    burn(ms);
    end();
  }
  ::close(alive[1]);
  burn(ms);
  char none = 0;
  (void)!::read(alive[0], &none, 1);
  end();
}

void* wait_for_ever(void*) {
  for (;;) ::pause();
}

int make_many(bool threads, long count) {
  long refused = 0;
  for (long i = 0; i < count; ++i) {
    if (threads) {
      pthread_t id;
      refused += ::pthread_create(&id, nullptr, wait_for_ever, nullptr) != 0;
      continue;
    }
    const pid_t pid = ::fork();
    if (pid == 0) wait_for_ever(nullptr);
    refused += pid < 0;
  }
  std::printf("refused %ld\n", refused);
  return 0;
}

int use_memory(long mib) {
  const auto size = static_cast<std::size_t>(mib) * kMiB;
  const int file = ::open("/tmp/shared", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, static_cast<off_t>(size / 4)) != 0) return 1;
  void* shared = ::mmap(nullptr, size / 4, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  void* own = ::mmap(nullptr, size - size / 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED || own == MAP_FAILED) return 1;
  std::memset(shared, 1, size / 4);
  std::memset(own, 1, size - size / 4);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 2 ? argv[1] : "";
  if (verb == "cpu" && argc == 4) use_cpu(argv[2], std::atol(argv[3]));
  if (verb == "forks" || verb == "threads") return make_many(verb == "threads", std::atol(argv[2]));
  if (verb == "memory") return use_memory(std::atol(argv[2]));
  return 64;
}
