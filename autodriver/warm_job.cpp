#include "autodriver/warm_job.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace milonga {
namespace {

constexpr std::size_t kDescriptors = 4;  // directory, output, errors, lock
constexpr std::size_t kControlSize = CMSG_SPACE(kDescriptors * sizeof(int));

std::vector<UniqueFd> descriptors_of(msghdr& message) {
  std::vector<UniqueFd> found;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; at + sizeof(int) <= part->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
      found.emplace_back(fd);
    }
  }
  return found;
}

Result<std::optional<WarmJob>> receive(int socket) {
  char path[PATH_MAX];
  alignas(cmsghdr) char control[kControlSize];
  iovec data{path, sizeof path};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = TEMP_FAILURE_RETRY(::recvmsg(socket, &message, MSG_CMSG_CLOEXEC));
  if (n < 0) return fail_errno("receive a job", "", "--warm: standard input must be a socket of the owner's");
  if (n == 0) return std::nullopt;  // the owner has gone
  std::vector<UniqueFd> fds = descriptors_of(message);
  if (fds.size() != kDescriptors || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || path[0] != '/')
    return fail("--warm: what came over standard input is no job");
  return WarmJob{std::move(fds[0]), std::move(fds[1]), std::move(fds[2]), std::move(fds[3]),
                 std::string(path, static_cast<std::size_t>(n))};
}

}  // namespace

Result<SocketPair> make_warm_sockets() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("make a socket", "");
  return SocketPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<> send_warm_job(int socket, const WarmJob& job) {
  if (job.report_file.size() >= PATH_MAX) return fail("the path of the report is too long");
  const std::array<int, kDescriptors> fds = {job.directory.get(), job.output.get(), job.errors.get(),
                                             job.lock.get()};
  alignas(cmsghdr) char control[kControlSize] = {};
  iovec data{const_cast<char*>(job.report_file.data()), job.report_file.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(part), fds.data(), sizeof fds);
  // The socket's buffer is empty: this one message fits, and is sent whole or not at all.
  if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return fail_errno("hand a job to", "its box");
  return {};
}

Result<std::optional<WarmJob>> receive_warm_job(int socket, int core, int signals) {
  pollfd events[3] = {{socket, POLLIN, 0}, {core, POLLIN, 0}, {signals, POLLIN, 0}};
  while (::poll(events, 3, -1) < 0)
    if (errno != EINTR) return fail_errno("wait for", "a job");
  if (events[2].revents != 0) return std::nullopt;
  if (events[1].revents != 0) return fail("the box was gone before its job came");
  return receive(socket);
}

}  // namespace milonga
