#include "base/output_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace milonga {
namespace {

bool is_same_file(int a, int b) {
  struct stat one {
  }, other{};
  return ::fstat(a, &one) == 0 && ::fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

Result<> write_all(int fd, std::string_view text, const std::string& shown) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write", shown);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

Result<UniqueFd> open_output(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0644));
  if (!fd.valid()) return fail_errno("write", path);
  struct stat st {};
  const bool ours = is_same_file(fd.get(), STDOUT_FILENO) || is_same_file(fd.get(), STDERR_FILENO);
  const bool plain = ::fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode);
  if (plain && !ours && ::ftruncate(fd.get(), 0) != 0) return fail_errno("empty", path);
  return fd;
}

Result<> write_output(int fd, std::string_view text, const std::string& shown) {
  const off_t before = ::lseek(fd, 0, SEEK_END);  // -1: no place in it, as in a pipe
  Result<> written = write_all(fd, text, shown);
  if (!written && before >= 0) (void)!::ftruncate(fd, before);  // EINVAL: a device
  return written;
}

bool is_replaceable(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) != 0 || S_ISREG(st.st_mode);
}

Result<> replace_file(const std::string& path, std::string_view text) {
  // A name that nobody can guess, and O_EXCL: FILE.tmp may be there, or be somebody else's link.
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return fail_errno("write", path);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  Result<> written = write_all(fd.get(), text, path);
  if (written && (::fchmod(fd.get(), 0644 & ~mask) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0))
    written = fail_errno("write", path);
  if (!written) (void)::unlink(temporary.c_str());
  return written;
}

}  // namespace milonga
