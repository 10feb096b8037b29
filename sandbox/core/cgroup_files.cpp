#include "sandbox/core/cgroup_files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstring>
#include <utility>

namespace milonga::core {
namespace {

// Decimal digits from `p`; false if there is none or it overflows.
bool parse_number(const char* p, std::uint64_t& value) {
  if (std::strncmp(p, "max", 3) == 0) {
    value = ~std::uint64_t{0};
    return true;
  }
  if (*p < '0' || *p > '9') return false;
  std::uint64_t n = 0;
  for (; *p >= '0' && *p <= '9'; ++p)
    if (__builtin_mul_overflow(n, std::uint64_t{10}, &n) ||
        __builtin_add_overflow(n, static_cast<std::uint64_t>(*p - '0'), &n))
      return false;
  value = n;
  return true;
}

// The file's first bytes as a string; false if it cannot be read.
bool read_text(int group, const char* file, char* text, std::size_t size) {
  UniqueFd fd(::openat(group, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return false;
  const ssize_t n = ::read(fd.get(), text, size - 1);
  if (n < 0) return false;
  text[n] = '\0';
  return true;
}

bool is_hierarchy(int dir, int version) {
  struct statfs fs {};
  return ::fstatfs(dir, &fs) == 0 && fs.f_type == (version == 2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

}  // namespace

UniqueFd same_hierarchy(int dir, int version) {
  return UniqueFd(is_hierarchy(dir, version) ? ::fcntl(dir, F_DUPFD_CLOEXEC, 3) : -1);
}

UniqueFd open_hierarchy(const char* path, int version) {
  UniqueFd dir(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!dir.valid()) {  // "cpuacct" is often a symbolic link of root's to "cpu,cpuacct"
    dir.reset(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!dir.valid()) return {};
  }
  return is_hierarchy(dir.get(), version) ? std::move(dir) : UniqueFd();
}

UniqueFd open_group(int parent, const char* name) {
  return UniqueFd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

int write_text(int group, const char* file, const char* text) {
  UniqueFd fd(::openat(group, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return -1;
  const auto size = static_cast<ssize_t>(std::strlen(text));
  return ::write(fd.get(), text, static_cast<std::size_t>(size)) == size ? 0 : -1;
}

int write_number(int group, const char* file, std::uint64_t value) {
  char digits[24];
  char* p = digits + sizeof digits;
  *--p = '\0';
  do {
    *--p = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return write_text(group, file, p);
}

bool read_number(int group, const char* file, std::uint64_t& value) {
  char text[64];
  return read_text(group, file, text, sizeof text) && parse_number(text, value);
}

bool read_key(int group, const char* file, const char* key, std::uint64_t& value) {
  char text[4096];
  if (!read_text(group, file, text, sizeof text)) return false;
  const std::size_t length = std::strlen(key);
  for (const char* line = text; line != nullptr && *line != '\0';) {
    if (std::strncmp(line, key, length) == 0 && line[length] == ' ') return parse_number(line + length + 1, value);
    line = std::strchr(line, '\n');
    if (line != nullptr) ++line;
  }
  return false;
}

bool has_file(int group, const char* file) { return ::faccessat(group, file, F_OK, 0) == 0; }

}  // namespace milonga::core
