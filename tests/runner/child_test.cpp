// Started programs: what they inherit, how their end is seen, and what is said when there is none to start.
#include "base/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace milonga {
namespace {

int status_of(Child& child) {
  pollfd ended{child.pidfd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 30'000), 1);
  const auto status = child.reap();
  EXPECT_TRUE(status);
  return status ? *status : -1;
}

// Runs `sh -c script` with a pipe as its standard output, and returns what it wrote.
std::string output_of(const std::string& script) {
  int pipe[2];
  EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const UniqueFd read_end(pipe[0]);
  UniqueFd write_end(pipe[1]);
  auto child = Child::spawn({{"/bin/sh", "-c", script}, {{write_end.get(), 1}}});
  EXPECT_TRUE(child);
  write_end.reset();
  std::string text;
  char buffer[512];
  for (ssize_t n; (n = ::read(read_end.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  if (child) (void)status_of(*child);
  return text;
}

TEST(Child, EndIsSeenAndHasItsStatus) {
  auto child = Child::spawn({{"/bin/sh", "-c", "exit 7"}, {}});
  ASSERT_TRUE(child);
  const int status = status_of(*child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(Child, SignalReachesItAndAfterItsEndNobody) {
  auto child = Child::spawn({{"/bin/sleep", "60"}, {}});
  ASSERT_TRUE(child);
  child->signal(SIGTERM);
  const int status = status_of(*child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
  child->signal(SIGKILL);  // reaped: this must not find a stranger
}

TEST(Child, StartsWithNoSignalBlockedOrIgnored) {
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ASSERT_EQ(::sigprocmask(SIG_BLOCK, &blocked, &before), 0);
  const auto pipe_before = ::signal(SIGPIPE, SIG_IGN);
  const std::string sets = output_of("exec grep -E '^Sig(Blk|Ign)' /proc/self/status");
  ::signal(SIGPIPE, pipe_before);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  // The C library itself ignores 32 and 33, which are its own.
  for (const std::string name : {"SigBlk:\t", "SigIgn:\t"}) {
    const std::size_t at = sets.find(name);
    ASSERT_NE(at, std::string::npos) << sets;
    EXPECT_EQ(std::stoull(sets.substr(at + name.size()), nullptr, 16) & 0x7fffffff, 0u) << sets;
  }
}

TEST(Child, HasTheDescriptorsThatWerePassedAlsoIfTheySwapNumbers) {
  int a[2], b[2];
  ASSERT_EQ(::pipe2(a, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(b, O_CLOEXEC), 0);
  ASSERT_EQ(::write(a[1], "A\n", 2), 2);
  ASSERT_EQ(::write(b[1], "B\n", 2), 2);
  UniqueFd from_a(::fcntl(a[0], F_DUPFD_CLOEXEC, 8)), from_b(::fcntl(b[0], F_DUPFD_CLOEXEC, 9));
  const std::string crossed =
      fmt::format("read x <&{}; read y <&{}; test $x$y = BA", from_a.get(), from_b.get());
  auto child = Child::spawn(
      {{"/bin/sh", "-c", crossed}, {{from_a.get(), from_b.get()}, {from_b.get(), from_a.get()}}});
  ASSERT_TRUE(child);
  EXPECT_EQ(status_of(*child), 0);
  for (const int fd : {a[0], a[1], b[0], b[1]}) ::close(fd);
}

TEST(Child, AProgramThatIsNotThereIsNamed) {
  const auto child = Child::spawn({{"/no/such/program"}, {}});
  ASSERT_FALSE(child);
  EXPECT_THAT(child.error().line(), ::testing::HasSubstr("/no/such/program"));
  EXPECT_EQ(child.error().code, ENOENT);
}

}  // namespace
}  // namespace milonga
