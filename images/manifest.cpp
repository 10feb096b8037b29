#include "images/manifest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "base/sha256.h"
#include "images/beneath.h"

namespace milonga::images {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 33 || byte > 126 || c == '\\') {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

Result<std::string> digest_of_file(int parent, const std::string& name) {
  const UniqueFd fd = open_beneath(parent, name, O_RDONLY | O_NONBLOCK);
  if (!fd.valid()) return fail_errno("read", name);
  Sha256 hash;
  std::vector<char> buffer(std::size_t{256} << 10);
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0) return fail_errno("read", name);
    if (n == 0) return hash.hex();
    hash.add({buffer.data(), static_cast<std::size_t>(n)});
  }
}

// Gives each line of a tree's manifest, with its "\n".
class Walk {
 public:
  using OnLine = std::function<Result<>(const std::string&)>;
  Walk(const std::vector<FileDigest>* digests, OnLine on_line)
      : digests_(digests), on_line_(std::move(on_line)) {}

  Result<> all(int directory, const std::string& path) {
    std::vector<std::string> names = TRY(names_in(directory));
    std::sort(names.begin(), names.end(),
              [](const std::string& a, const std::string& b) { return escaped(a) < escaped(b); });
    for (const std::string& name : names) {
      struct stat st {};
      if (::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno("look at", path + name);
      ++entries;
      const std::string text = TRY(line(directory, name, path + escaped(name), st));
      TRY(on_line_(text));
      if (!S_ISDIR(st.st_mode)) continue;
      const UniqueFd child = open_beneath(directory, name, O_RDONLY | O_DIRECTORY);
      if (!child.valid()) return fail_errno("open", path + name);
      TRY(all(child.get(), path + escaped(name) + "/"));
    }
    return {};
  }

  std::uint64_t entries = 0, bytes = 0;

 private:
  Result<std::string> line(int directory, const std::string& name, const std::string& path,
                           const struct stat& st) {
    const unsigned mode = st.st_mode & 07777;
    if (S_ISREG(st.st_mode)) {
      bytes += static_cast<std::uint64_t>(st.st_size);
      const std::string digest =
          digests_ == nullptr ? TRY(digest_of_file(directory, name)) : TRY(known_digest(st.st_ino, path));
      return fmt::format("f {:04o} {} {} {} {}\n", mode, st.st_mtime, st.st_size, digest, path);
    }
    if (S_ISLNK(st.st_mode)) {
      char target[PATH_MAX];
      const ssize_t n = ::readlinkat(directory, name.c_str(), target, sizeof target);
      if (n < 0) return fail_errno("read", path);
      return fmt::format("l - - - - {} -> {}\n", path, escaped({target, static_cast<std::size_t>(n)}));
    }
    return fmt::format("{} {:04o} - - - {}\n", S_ISDIR(st.st_mode) ? 'd' : '?', mode, path);
  }

  Result<std::string> known_digest(ino_t inode, const std::string& path) const {
    const auto found =
        std::lower_bound(digests_->begin(), digests_->end(), inode,
                         [](const FileDigest& digest, ino_t wanted) { return digest.inode < wanted; });
    if (found == digests_->end() || found->inode != inode)
      return fail("'" + path + "' is not of this import");
    return std::string(found->sha256.data(), found->sha256.size());
  }

  const std::vector<FileDigest>* digests_;
  OnLine on_line_;
};

// Sorted, and of each inode only what was written last.
void make_searchable(std::vector<FileDigest>& digests) {
  std::reverse(digests.begin(), digests.end());
  std::stable_sort(digests.begin(), digests.end(),
                   [](const FileDigest& a, const FileDigest& b) { return a.inode < b.inode; });
}

Result<> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0) return fail_errno("write", "the image's manifest");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

// A file, line by line; "" at its end.
class Lines {
 public:
  explicit Lines(int fd) : fd_(fd) {}
  Result<std::string> next() {
    while (true) {
      const std::size_t end = text_.find('\n', at_);
      if (end != std::string::npos) {
        const std::string line = text_.substr(at_, end + 1 - at_);
        at_ = end + 1;
        return line;
      }
      char buffer[1 << 16];
      const ssize_t n = ::pread(fd_, buffer, sizeof buffer, read_);
      if (n < 0) return fail_errno("read", "the image's manifest");
      if (n == 0) return std::string();
      read_ += n;
      text_ = text_.substr(at_) + std::string(buffer, static_cast<std::size_t>(n));
      at_ = 0;
    }
  }

 private:
  int fd_;
  off_t read_ = 0;
  std::string text_;
  std::size_t at_ = 0;
};

std::string path_of(const std::string& line) {
  std::size_t at = 0;
  for (int field = 0; field < 5 && at != std::string::npos; ++field) at = line.find(' ', at + 1);
  if (at == std::string::npos) return line;
  return line.substr(at + 1, line.find_first_of(" \n", at + 1) - at - 1);
}

// The order of a walk: directories are compared name by name, so '/' comes first of all.
bool comes_before(const std::string& a, const std::string& b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return (x == '/' ? 0 : static_cast<unsigned char>(x)) < (y == '/' ? 0 : static_cast<unsigned char>(y));
  });
}

}  // namespace

Result<ManifestSum> write_manifest(int root, std::vector<FileDigest>* digests, int to) {
  if (digests != nullptr) make_searchable(*digests);
  Sha256 hash;
  std::string pending;
  Walk walk(digests, [&](const std::string& line) -> Result<> {
    hash.add(line);
    pending += line;
    if (pending.size() < 1 << 16) return {};
    TRY(write_all(to, pending));
    pending.clear();
    return {};
  });
  TRY(walk.all(root, ""));
  TRY(write_all(to, pending));
  return ManifestSum{hash.hex(), walk.entries, walk.bytes};
}

Result<std::vector<std::string>> compare_manifest(int root, int manifest, std::size_t most) {
  std::vector<std::string> differences;
  const auto note = [&](const char* what, const std::string& line) {
    if (differences.size() < most) differences.push_back(what + path_of(line));
  };
  Lines lines(manifest);
  std::string wanted = TRY(lines.next());
  Walk walk(nullptr, [&](const std::string& found) -> Result<> {
    while (!wanted.empty() && comes_before(path_of(wanted), path_of(found))) {
      note("missing: ", wanted);
      wanted = TRY(lines.next());
    }
    if (wanted.empty() || path_of(wanted) != path_of(found)) {
      note("not of the image: ", found);
      return {};
    }
    if (wanted != found) note("changed: ", found);
    wanted = TRY(lines.next());
    return {};
  });
  TRY(walk.all(root, ""));
  for (; !wanted.empty(); wanted = TRY(lines.next())) note("missing: ", wanted);
  return differences;
}

}  // namespace milonga::images
