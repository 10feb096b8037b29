#include "images/tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "images/beneath.h"
#include "images/entry_path.h"

namespace milonga::images {
namespace {

constexpr mode_t kFileBits = 0755;
constexpr std::uint64_t kLargeFile = std::uint64_t{1} << 20;
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
// What aufs kept for itself, and old engines put into layers; no layer means anything by it.
constexpr std::string_view kOfAufs[] = {".wh..wh.aufs", ".wh..wh.orph", ".wh..wh.plnk"};

Unexpected not_opened() {
  if (errno == ELOOP) return fail("its path leads through a symbolic link");
  if (errno == EXDEV) return fail("its path leads into another mount");
  if (errno == ENOTDIR) return fail("its path leads through what is no directory");
  return fail_errno("open", "its directory");
}

}  // namespace

bool Tree::is_of_this_layer(const std::string& path) const {
  return made_.contains(std::hash<std::string>()(path));
}

Result<UniqueFd> Tree::open_directory(const std::string& path) {
  UniqueFd fd = open_beneath(root_.get(), path, O_PATH | O_DIRECTORY);
  if (!fd.valid() && errno == ENOENT) {
    TRY(make_directories(path));
    fd = open_beneath(root_.get(), path, O_PATH | O_DIRECTORY);
  }
  if (!fd.valid()) return not_opened();
  return fd;
}

// Archives may leave out the entries of directories.
Result<> Tree::make_directories(const std::string& path) {
  const std::string above(images::parent_of(path));
  const UniqueFd parent = TRY(open_directory(above));
  if (::mkdirat(parent.get(), std::string(leaf_of(path)).c_str(), 0755) != 0)
    return fail_errno("make", "its directory");
  note(path);
  return {};
}

Result<Tree::Place> Tree::place_of(const std::string& path) {
  const std::string above(images::parent_of(path));
  if (!parent_.valid() || parent_path_ != above) {
    parent_ = TRY(open_directory(above));
    parent_path_ = above;
    // A directory in which this layer puts something is this layer's too: it may not become a file any more.
    for (std::string_view part = above; !part.empty(); part = images::parent_of(part))
      note(std::string(part));
  }
  return Place{parent_.get(), std::string(leaf_of(path))};
}

// What stands in the way of a new `kind` there: of an earlier layer it is replaced.
Result<> Tree::make_room(const std::string& path, const Place& place, Kind kind) {
  struct stat st {};
  if (::fstatat(place.parent, place.leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return {};
  const Kind old = S_ISDIR(st.st_mode) ? Kind::directory : S_ISLNK(st.st_mode) ? Kind::symlink : Kind::file;
  // tar's rule for two of a name is that the later counts; one that changes its type is a trick, not an
  // update.
  if (old != kind && is_of_this_layer(path))
    return fail("stands twice in one layer, and not as the same type");
  return remove_all(place.parent, place.leaf);
}

Result<> Tree::directory(const std::string& path, mode_t mode) {
  if (path.empty()) return {};  // the root stays as it was made: open to all
  const Place place = TRY(place_of(path));
  if (::mkdirat(place.parent, place.leaf.c_str(), mode & kFileBits) != 0) {
    if (errno != EEXIST) return fail_errno("make", "the directory");
    struct stat st {};
    if (::fstatat(place.parent, place.leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
      return fail_errno("look at", "it");
    if (!S_ISDIR(st.st_mode)) {
      TRY(make_room(path, place, Kind::directory));
      if (::mkdirat(place.parent, place.leaf.c_str(), mode & kFileBits) != 0)
        return fail_errno("make", "the directory");
    } else if ((st.st_mode & 07777) != (mode & kFileBits) &&
               ::fchmodat(place.parent, place.leaf.c_str(), mode & kFileBits, 0) != 0) {
      return fail_errno("change", "the directory");
    }
  }
  note(path);
  return {};
}

Result<> Tree::symlink(const std::string& path, const std::string& target) {
  if (path.empty()) return fail("a symbolic link in place of the root");
  if (target.empty()) return fail("a symbolic link to nothing");
  if (target.find('\0') != std::string::npos) return fail("a zero byte in its target");
  const Place place = TRY(place_of(path));
  if (::symlinkat(target.c_str(), place.parent, place.leaf.c_str()) != 0) {
    if (errno != EEXIST) return fail_errno("make", "the symbolic link");
    TRY(make_room(path, place, Kind::symlink));
    if (::symlinkat(target.c_str(), place.parent, place.leaf.c_str()) != 0)
      return fail_errno("make", "the symbolic link");
  }
  note(path);
  return {};
}

Result<> Tree::hard_link(const std::string& path, const std::string& to) {
  if (path.empty()) return fail("a hard link in place of the root");
  const std::string quoted = "'" + to + "'";
  const UniqueFd target_parent =
      open_beneath(root_.get(), std::string(images::parent_of(to)), O_PATH | O_DIRECTORY);
  if (!target_parent.valid() && errno == ELOOP)
    return fail("a hard link to " + quoted + ", which leads through a symbolic link");
  const std::string target(leaf_of(to));
  struct stat st {};
  if (!target_parent.valid() || to.empty() ||
      ::fstatat(target_parent.get(), target.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
    return fail("a hard link to " + quoted + ", which is not there");
  if (!S_ISREG(st.st_mode)) return fail("a hard link to " + quoted + ", which is no regular file");
  if (path == to) return {};
  const Place place = TRY(place_of(path));
  if (::linkat(target_parent.get(), target.c_str(), place.parent, place.leaf.c_str(), 0) != 0) {
    if (errno != EEXIST) return fail_errno("make", "the hard link");
    TRY(make_room(path, place, Kind::file));
    if (::linkat(target_parent.get(), target.c_str(), place.parent, place.leaf.c_str(), 0) != 0)
      return fail_errno("make", "the hard link");
  }
  note(path);
  return {};
}

Result<UniqueFd> Tree::file(const std::string& path, mode_t mode) {
  if (path.empty()) return fail("a file in place of the root");
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  const Place place = TRY(place_of(path));
  UniqueFd fd(::openat(place.parent, place.leaf.c_str(), kFlags | O_CLOEXEC, mode & kFileBits));
  if (!fd.valid() && errno == EEXIST) {
    TRY(make_room(path, place, Kind::file));
    fd.reset(::openat(place.parent, place.leaf.c_str(), kFlags | O_CLOEXEC, mode & kFileBits));
  }
  if (!fd.valid()) return fail_errno("make", "the file");
  note(path);
  return fd;
}

Result<> Tree::finish(const UniqueFd& file, std::uint64_t size, std::int64_t mtime,
                      const std::string& sha256) {
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) return fail_errno("look at", "the file");
  if (static_cast<std::uint64_t>(st.st_size) != size &&
      ::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
    return fail_errno("write", "the file");  // it ends in a hole
  // A head start for the disk, which has to have all of it before the image has a name; a hint, so whether it
  // works is the same.
  if (size >= kLargeFile) (void)::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  const timespec times[2] = {{mtime, 0}, {mtime, 0}};
  if (::futimens(file.get(), times) != 0) return fail_errno("set the time of", "the file");
  FileDigest digest{st.st_ino, {}};
  std::copy_n(sha256.begin(), digest.sha256.size(), digest.sha256.begin());
  digests_.push_back(digest);
  return {};
}

Result<bool> Tree::whiteout(const std::string& path) {
  const std::string_view leaf = leaf_of(path);
  if (!leaf.starts_with(kWhiteout)) return false;
  if (std::find(std::begin(kOfAufs), std::end(kOfAufs), leaf) != std::end(kOfAufs)) return true;
  const std::string above(images::parent_of(path));
  const std::string hidden(leaf.substr(kWhiteout.size()));
  if (leaf != kOpaque && (hidden.empty() || hidden == "." || hidden == ".." || hidden.starts_with(kWhiteout)))
    return fail("a whiteout of '" + hidden + "', which is no name");
  if (first_layer_) return true;  // nothing is below it
  const UniqueFd directory = open_beneath(root_.get(), above, O_PATH | O_DIRECTORY);
  if (!directory.valid() && errno == ENOENT) return true;
  if (!directory.valid()) return not_opened();
  parent_.reset();
  if (leaf == kOpaque) {
    TRY(hide_below(directory.get(), above));
  } else {
    TRY(hide(above.empty() ? hidden : above + "/" + hidden));
  }
  return true;
}

// What this layer made stays, wherever the whiteout stands in it.
Result<> Tree::hide(const std::string& path) {
  const UniqueFd parent =
      open_beneath(root_.get(), std::string(images::parent_of(path)), O_PATH | O_DIRECTORY);
  if (!parent.valid()) return not_opened();
  const std::string leaf(leaf_of(path));
  struct stat st {};
  if (::fstatat(parent.get(), leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return {};
  if (S_ISDIR(st.st_mode)) {
    const UniqueFd directory = open_beneath(parent.get(), leaf, O_PATH | O_DIRECTORY);
    if (!directory.valid()) return not_opened();
    TRY(hide_below(directory.get(), path));
    const bool kept = is_of_this_layer(path) || ::unlinkat(parent.get(), leaf.c_str(), AT_REMOVEDIR) == 0 ||
                      errno == ENOTEMPTY;
    return kept ? Result<>() : fail_errno("hide", "'" + path + "'");
  }
  if (!is_of_this_layer(path) && ::unlinkat(parent.get(), leaf.c_str(), 0) != 0)
    return fail_errno("hide", "'" + path + "'");
  return {};
}

Result<> Tree::hide_below(int directory, const std::string& path) {
  for (const std::string& name : TRY(names_in(directory))) TRY(hide(path.empty() ? name : path + "/" + name));
  return {};
}

}  // namespace milonga::images
