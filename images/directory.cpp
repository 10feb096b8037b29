// A directory of this host as an image: apply_directory() of layer.h.
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "images/beneath.h"
#include "images/entry_path.h"
#include "images/layer.h"

namespace milonga::images {
namespace {

class Copy {
 public:
  Copy(Tree& tree, Meter& meter, Devices devices)
      : tree_(tree), meter_(meter), devices_(devices), buffer_(std::size_t{256} << 10) {}

  Result<> all(int directory, const std::string& path) {
    for (const std::string& name : TRY(names_in(directory))) {
      const std::string child = path.empty() ? name : path + "/" + name;
      const Result<> made = one(directory, name, child);
      if (made) continue;
      const Error& error = made.error();
      return error.what.starts_with("entry ") ? made
                                              : fail("entry '" + child + "': " + error.what, error.hint);
    }
    return {};
  }

 private:
  Result<> one(int parent, const std::string& name, const std::string& path) {
    TRY(clean_path(path));
    TRY(meter_.entry());
    struct stat st {};
    if (::fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("look at", "it");
    if (S_ISLNK(st.st_mode)) return link(parent, name, path);
    if (S_ISREG(st.st_mode)) return file(parent, name, path);
    if (!S_ISDIR(st.st_mode)) {
      if (devices_ == Devices::leave_out) return {};
      return fail(S_ISFIFO(st.st_mode)   ? "a named pipe"
                  : S_ISSOCK(st.st_mode) ? "a socket"
                                         : "a device node",
                  "a box has its own: --skip-devices leaves them out");
    }
    const UniqueFd directory = open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
    if (!directory.valid() && errno == EXDEV)
      return fail("another file system is mounted on it", "unmount it first");
    if (!directory.valid()) return fail_errno("open", "it");
    TRY(tree_.directory(path, st.st_mode));
    return all(directory.get(), path);
  }

  Result<> link(int parent, const std::string& name, const std::string& path) {
    char target[PATH_MAX];
    const ssize_t n = ::readlinkat(parent, name.c_str(), target, sizeof target);
    if (n < 0) return fail_errno("read", "the link");
    return tree_.symlink(path, std::string(target, static_cast<std::size_t>(n)));
  }

  Result<> file(int parent, const std::string& name, const std::string& path) {
    // Not blocking: what was a file a moment ago may be a FIFO now.
    const UniqueFd from = open_beneath(parent, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat st {};
    if (!from.valid() || ::fstat(from.get(), &st) != 0) return fail_errno("read", "it");
    if (!S_ISREG(st.st_mode)) return fail("it changed while it was read");
    if (st.st_nlink > 1) {
      const auto [known, is_new] = links_.try_emplace({st.st_dev, st.st_ino}, path);
      if (!is_new) return tree_.hard_link(path, known->second);
    }
    TRY(meter_.file(static_cast<std::uint64_t>(st.st_size)));
    const UniqueFd to = TRY(tree_.file(path, st.st_mode));
    Sha256 hash;
    std::uint64_t size = 0;
    while (true) {
      const ssize_t n = ::read(from.get(), buffer_.data(), buffer_.size());
      if (n < 0) return fail_errno("read", "it");
      if (n == 0) break;
      size += static_cast<std::uint64_t>(n);
      if (size > static_cast<std::uint64_t>(st.st_size)) return fail("it grew while it was read");
      hash.add({buffer_.data(), static_cast<std::size_t>(n)});
      TRY(meter_.read(static_cast<std::uint64_t>(n)));
      if (::write(to.get(), buffer_.data(), static_cast<std::size_t>(n)) != n)
        return fail_errno("write", "the file");
    }
    return tree_.finish(to, size, st.st_mtime, hash.hex());
  }

  Tree& tree_;
  Meter& meter_;
  Devices devices_;
  std::vector<char> buffer_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;  // of files with more names than one: the first
};

}  // namespace

Result<> apply_directory(int directory, Tree& tree, Meter& meter, Devices devices) {
  tree.begin_layer();
  return Copy(tree, meter, devices).all(directory, "");
}

}  // namespace milonga::images
