#include "autodriver/core/request.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "sandbox/core/rootless.h"

namespace milonga::core {
namespace {

constexpr std::uint32_t kAllFlags = kHasInput | kHasImage | kHostNetwork | kProcessLimitFatal | kHasCgroups | kLoopback;

Fail check_limits(const Limits& limits) {
  for (const LimitRow& row : kLimits) {
    const std::uint64_t value = limits[row.id];
    if (value == 0 && row.default_value == 0) continue;  // none by default: may be none
    if (value < row.minimum || value > row.maximum) return refused(Step::request, "a limit is out of its range");
  }
  return fine();
}

Fail check_work_name(const char (&name)[kMaxWorkName]) {
  const std::size_t length = ::strnlen(name, kMaxWorkName);
  if (length == 0 || length == kMaxWorkName) return refused(Step::request, "the work directory's name is not a name");
  if (std::strchr(name, '/') != nullptr || std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0)
    return refused(Step::request, "the work directory's name is not one path component");
  return fine();
}

Fail check_strings(const Request& r) {
  if (r.argc == 0 || r.argc > kMaxArgs || r.envc > kMaxArgs || r.strings_size > kMaxStrings)
    return refused(Step::request, "too many arguments or variables, or none");
  std::uint32_t ends = 0;
  for (std::uint32_t i = 0; i < r.strings_size; ++i) ends += r.strings[i] == '\0';
  if (ends != r.argc + r.envc || r.strings[r.strings_size - 1] != '\0')
    return refused(Step::request, "arguments and variables do not match their count");
  return r.strings[0] != '\0' ? fine() : refused(Step::request, "the command is empty");
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

Fail check_descriptors(const Request& r) {
  struct stat st {};
  if (!has_owner()) return refused(Step::request, "descriptor 4 is not the control socket, one of a pair");
  if (r.op == CoreOp::collect) return fine();
  if (::fstat(kFdOutput, &st) != 0 || !S_ISFIFO(st.st_mode))
    return refused(Step::request, "descriptor 5 is not the output pipe");
  if ((r.flags & kHasInput) != 0 && (::fstat(kFdInput, &st) != 0 || !S_ISFIFO(st.st_mode)))
    return refused(Step::request, "descriptor 6 is not the input pipe");
  if ((r.flags & kHasImage) != 0 && (::fstat(kFdImage, &st) != 0 || !S_ISDIR(st.st_mode)))
    return refused(Step::request, "descriptor 7 is not the image's directory");
  // The box's user is one of the others, as below a chroot; and O_PATH takes no permission of the caller's.
  if ((r.flags & kHasImage) != 0 && (st.st_mode & 05) != 05)
    return refused(Step::request, "the image's directory is closed to others (chmod o+rx)");
  if (((r.flags & kHasInput) == 0 && is_open(kFdInput)) || ((r.flags & kHasImage) == 0 && is_open(kFdImage)))
    return refused(Step::request, "a descriptor was passed that the request does not name");
  for (int fd = kFdCgroupV2; fd <= kFdLast && (r.flags & kHasCgroups) == 0; ++fd)
    if (is_open(fd)) return refused(Step::request, "a descriptor was passed that the request does not name");
  if ((r.flags & kHasCgroups) != 0 && !is_rootless())
    return refused(Step::request, "cgroups of the caller are for boxes without root");
  return fine();
}

}  // namespace

bool has_owner() {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(kFdControl, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) return false;
  sockaddr_un peer{};
  size = sizeof peer;
  return ::getpeername(kFdControl, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && size == sizeof peer.sun_family;
}

Fail check_request(const Request& r) {
  if (r.magic != kRequestMagic || r.version != kProtocolVersion)
    return refused(Step::request, "autodriver and autodriver-core are of different versions: install both again");
  if (r.op == CoreOp::collect) return fine();
  if (r.op != CoreOp::run) return refused(Step::request, "unknown operation");
  if ((r.flags & ~kAllFlags) != 0) return refused(Step::request, "unknown flag");
  if ((r.flags & kHostNetwork) != 0 && (r.flags & kLoopback) != 0)
    return refused(Step::request, "the host's network has its own loopback interface");
  for (const Rung rung : r.require)
    if (rung > Rung::exact) return refused(Step::request, "unknown rung");
  if (r.filter_size > kMaxFilter) return refused(Step::request, "the system call filter is too long");
  MUST(check_limits(r.limits));
  MUST(check_work_name(r.work_name));
  return check_strings(r);
}

Fail read_request(Request& request) {
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  const int seals = ::fcntl(kFdRequest, F_GET_SEALS);
  struct stat st {};
  if (seals < 0 || (seals & kSeals) != kSeals || ::fstat(kFdRequest, &st) != 0 ||
      st.st_size != static_cast<off_t>(sizeof request))
    return refused(Step::request, "descriptor 3 is not a sealed request; this program is started by autodriver");
  if (::pread(kFdRequest, &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request))
    return failed(Step::request, "cannot read the request");
  MUST(check_request(request));
  return check_descriptors(request);
}

}  // namespace milonga::core
