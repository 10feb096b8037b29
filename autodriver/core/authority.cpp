#include "autodriver/core/authority.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/unique_fd.h"

namespace milonga::core {
namespace {

constexpr const char* kDirectory = "/etc/milonga/core";

bool only_root_writes(int fd, mode_t type) {
  struct stat st {};
  return ::fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == 0 && (st.st_mode & 022) == 0;
}

// Digits and at most one line end, nothing else.
bool read_value(int fd, std::uint64_t& value) {
  char text[24];
  const ssize_t n = ::read(fd, text, sizeof text);
  if (n <= 0 || n == static_cast<ssize_t>(sizeof text)) return false;
  std::uint64_t number = 0;
  for (ssize_t i = 0; i < n; ++i) {
    if (text[i] == '\n' && i > 0 && i + 1 == n) break;
    if (text[i] < '0' || text[i] > '9') return false;
    if (__builtin_mul_overflow(number, std::uint64_t{10}, &number) ||
        __builtin_add_overflow(number, static_cast<std::uint64_t>(text[i] - '0'), &number))
      return false;
  }
  value = number;
  return true;
}

bool within(std::uint64_t value, std::uint64_t maximum) { return maximum == 0 || (value != 0 && value <= maximum); }

}  // namespace

Fail read_authority(Authority& a) {
  UniqueFd dir(::open(kDirectory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!dir.valid()) return errno == ENOENT ? fine() : failed(Step::authority, "cannot open /etc/milonga/core");
  if (!only_root_writes(dir.get(), S_IFDIR)) return refused(Step::authority, "/etc/milonga/core is not root's alone");
  const struct {
    const char* file;
    std::uint64_t* value;
  } rows[] = {
      {"uid_base", &a.uid_base},           {"uid_count", &a.uid_count}, {"max_wall_s", &a.max_wall_s},
      {"max_memory", &a.max_memory},       {"max_processes", &a.max_processes},
      {"max_disk", &a.max_disk},           {"host_network", &a.host_network},
  };
  for (const auto& row : rows) {
    UniqueFd fd(::openat(dir.get(), row.file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid() && errno == ENOENT) continue;
    if (!fd.valid()) return failed(Step::authority, "cannot open a file of /etc/milonga/core");
    if (!only_root_writes(fd.get(), S_IFREG) || !read_value(fd.get(), *row.value))
      return refused(Step::authority, "a file of /etc/milonga/core is not root's alone or not one number");
  }
  if (a.uid_base < 1000 || a.uid_count == 0 || a.uid_count > 65536 || a.uid_base > 0x7fff'ffff - a.uid_count)
    return refused(Step::authority, "uid_base and uid_count of /etc/milonga/core name no usable range (1000 or more)");
  if (a.max_wall_s > limit_row(LimitId::wall).maximum / kSecond) a.max_wall_s = 0;  // no stricter than the table
  return fine();
}

Fail allow(const Authority& a, const Caller& caller, const Request& r) {
  if (r.op != CoreOp::run) return fine();
  if ((r.flags & kHostNetwork) != 0 && caller.uid != 0 && a.host_network != 1)
    return refused(Step::authority, "the host's network is not allowed (root may: echo 1 > /etc/milonga/core/host_network)");
  if (!within(r.limits[LimitId::wall], a.max_wall_s * kSecond) || !within(r.limits[LimitId::memory], a.max_memory) ||
      !within(r.limits[LimitId::processes], a.max_processes) || !within(r.limits[LimitId::disk], a.max_disk))
    return refused(Step::authority, "a limit is above the maximum that /etc/milonga/core allows on this host");
  return fine();
}

}  // namespace milonga::core
