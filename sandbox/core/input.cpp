#include "sandbox/core/input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "base/core/unique_fd.h"
#include "sandbox/model/input_stream.h"

namespace milonga::core {
namespace {

char buffer[64 * 1024];

bool read_all(int fd, void* to, std::size_t size) {
  auto* p = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t n = ::read(fd, p, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    p += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// Relative, and no component that is empty, "." or "..".
bool name_is_sound(const char* name, std::size_t size) {
  if (size == 0 || std::memchr(name, '\0', size) != nullptr) return false;
  for (const char *at = name, *end = name + size; at <= end;) {
    const void* slash = std::memchr(at, '/', static_cast<std::size_t>(end - at));
    const char* stop = slash == nullptr ? end : static_cast<const char*>(slash);
    const auto length = static_cast<std::size_t>(stop - at);
    if (length == 0 || std::strncmp(at, ".", length) == 0 || (length == 2 && at[0] == '.' && at[1] == '.'))
      return false;
    at = stop + 1;
  }
  return true;
}

Fail torn() { return refused(Step::input, "the stream of the job's files is malformed or ended early"); }

Fail no_room() {
  return failed(Step::input, errno == ENOSPC ? "the job's files do not fit into the box: raise --disk or --inodes"
                                             : "cannot write a file of the job into the box");
}

Fail unpack_file(int fd, const char* name, const InputHeader& header) {
  // New names only: a stream that names a file twice is refused, not merged.
  UniqueFd out(::open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!out.valid()) return no_room();
  for (std::uint64_t left = header.size; left > 0;) {
    const std::size_t part = left < sizeof buffer ? static_cast<std::size_t>(left) : sizeof buffer;
    if (!read_all(fd, buffer, part)) return torn();
    for (std::size_t done = 0; done < part;) {
      const ssize_t n = ::write(out.get(), buffer + done, part - done);
      if (n < 0) return no_room();
      done += static_cast<std::size_t>(n);
    }
    left -= part;
  }
  return ::fchmod(out.get(), (header.mode & 0777) | 0400) == 0 ? fine() : no_room();
}

Fail unpack_link(int fd, const char* name, const InputHeader& header) {
  char target[kMaxInputName + 1];
  if (header.size == 0 || header.size > kMaxInputName || !read_all(fd, target, header.size)) return torn();
  target[header.size] = '\0';
  return ::symlink(target, name) == 0 ? fine() : no_room();
}

}  // namespace

Fail unpack_input(int fd) {
  char name[kMaxInputName + 1];
  for (;;) {
    InputHeader header;
    if (!read_all(fd, &header, sizeof header) || header.magic != kInputMagic) return torn();
    if (header.kind == InputKind::end) return fine();
    if (header.name_size > kMaxInputName || !read_all(fd, name, header.name_size) ||
        !name_is_sound(name, header.name_size))
      return torn();
    name[header.name_size] = '\0';
    switch (header.kind) {
      case InputKind::directory:
        if (::mkdir(name, (header.mode & 0777) | 0700) != 0) return no_room();
        break;
      case InputKind::file: MUST(unpack_file(fd, name, header)); break;
      case InputKind::symlink: MUST(unpack_link(fd, name, header)); break;
      default: return torn();
    }
  }
}

}  // namespace milonga::core
