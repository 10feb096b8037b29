#include "queue/inputs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/core/unique_fd.h"
#include "base/sha256.h"
#include "base/utf8.h"

namespace milonga::queue {
namespace {

constexpr int kMaxDepth = 64;

int open_below(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;  // a FIFO must not hold us
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
}

class Store {
 public:
  Store(Disk& disk, const std::string& source, const std::function<std::string()>& temporary)
      : disk_(disk), source_(source), temporary_(temporary) {}

  Result<std::vector<InputFile>> run() {
    UniqueFd root(::open(source_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root.valid()) return fail_errno("read the directory", source_);
    TRY(walk(root.get(), "", 0));
    for (const std::string& dir : blob_dirs_) TRY(disk_.sync_directory(dir));
    return std::move(files_);
  }

 private:
  Result<void> walk(int root, const std::string& path, int depth) {
    if (depth > kMaxDepth) return fail(fmt::format("'{}/{}' is nested too deeply", source_, path));
    UniqueFd fd(open_below(root, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY));
    DIR* dir = fd.valid() ? ::fdopendir(fd.get()) : nullptr;
    if (dir == nullptr) return fail_errno("read the directory", source_ + "/" + path);
    (void)fd.release();
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir))
      if (const std::string name = entry->d_name; name != "." && name != "..") names.push_back(name);
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) TRY(take(root, path.empty() ? name : path + "/" + name, depth));
    return {};
  }

  Result<void> take(int root, const std::string& path, int depth) {
    const std::string shown = source_ + "/" + path;
    if (!is_utf8(path))  // before a gigabyte is copied
      return fail(fmt::format("'{}' has a name that is not UTF-8", to_utf8(shown)), "rename it, or submit an archive");
    struct stat st {};
    UniqueFd fd(open_below(root, path, O_RDONLY));
    if (!fd.valid() && (errno == EXDEV || errno == ELOOP))
      return fail(fmt::format("'{}' is a link that leads out of the directory", shown), "submit the file itself");
    if (!fd.valid() && errno == ENXIO) return fail(fmt::format("'{}' is a socket or a device", shown), "remove it");
    if (!fd.valid() || ::fstat(fd.get(), &st) != 0) return fail_errno("read", shown);
    if (S_ISDIR(st.st_mode)) return walk(root, path, depth + 1);
    if (!S_ISREG(st.st_mode)) return fail(fmt::format("'{}' is neither a file nor a directory", shown), "remove it");
    if (files_.size() == kMaxInputFiles)
      return fail(fmt::format("'{}' has more than {} files", source_, kMaxInputFiles), "submit an archive");
    InputFile file;
    file.path = path;
    file.mode = (st.st_mode & 0100) != 0 ? 0755 : 0644;
    TRY(keep(fd.get(), shown, file));
    files_.push_back(std::move(file));
    return {};
  }

  // Into tmp/ while hashing, then to its name by hash unless it is there already.
  Result<void> keep(int from, const std::string& shown, InputFile& file) {
    const std::string temporary = temporary_();
    const int out = TRY(disk_.create(temporary));
    auto copied = copy(from, out, shown, file);
    if (copied) copied = disk_.sync_file(out);
    disk_.close_file(out);
    if (copied) copied = name_blob(temporary, blob_path(file.sha256), file.size);
    (void)disk_.unlink(temporary);  // recovery removes what stays
    return copied;
  }

  Result<void> copy(int from, int out, const std::string& shown, InputFile& file) {
    char buffer[64 * 1024];
    Sha256 hash;
    for (;;) {
      const ssize_t n = ::read(from, buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("read", shown);
      if (n == 0) break;
      file.size += static_cast<std::uint64_t>(n);
      total_ += static_cast<std::uint64_t>(n);
      if (total_ > kMaxInputBytes) return fail(fmt::format("'{}' has more than 10 GiB of files", source_));
      const std::string_view piece(buffer, static_cast<std::size_t>(n));
      hash.add(piece);
      TRY(disk_.write(out, piece));
    }
    file.sha256 = hash.hex();
    return {};
  }

  Result<void> name_blob(const std::string& temporary, const std::string& blob, std::uint64_t size) {
    const std::string dir = blob.substr(0, blob.rfind('/'));
    // Also where the blob is there already: another producer may have named it
    // and not yet flushed the name.
    if (blob_dirs_.insert(dir).second) {
      if (auto made = disk_.make_directory(dir); !made && made.error().code != EEXIST) return made;
      TRY(disk_.sync_directory("blob"));
    }
    auto linked = disk_.link(temporary, blob);
    if (linked || linked.error().code != EEXIST) return linked;
    if (const FileInfo there = TRY(disk_.info(blob)); there.exists && !there.directory && there.size == size) return {};
    TRY(disk_.remove_tree(blob));  // torn, or put there by hand: ours is whole
    linked = disk_.link(temporary, blob);
    return linked || linked.error().code == EEXIST ? Result<void>{} : linked;  // another producer was as quick
  }

  Disk& disk_;
  const std::string& source_;
  const std::function<std::string()>& temporary_;
  std::vector<InputFile> files_;
  std::set<std::string> blob_dirs_;
  std::uint64_t total_ = 0;
};

}  // namespace

std::string blob_path(const std::string& sha256) { return "blob/" + sha256.substr(0, 2) + "/" + sha256.substr(2); }

Result<std::vector<InputFile>> store_inputs(Disk& disk, const std::string& source_dir,
                                            const std::function<std::string()>& temporary) {
  return Store(disk, source_dir, temporary).run();
}

}  // namespace milonga::queue
