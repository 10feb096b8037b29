#include "queue/disk_linux.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/beneath.h"
#include "base/core/unique_fd.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif

namespace milonga::queue {
namespace {

constexpr long kCifsMagic = 0xff534d42, kSmb2Magic = 0xfe534d42, kFuseMagic = 0x65735546;

class LinuxLock : public Disk::Lock {
 public:
  explicit LinuxLock(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;
};

// Who this process is, for all times on this machine: boot, pid, and the pid's start in clock ticks.
std::string process_token(pid_t pid) {
  std::ifstream stat(fmt::format("/proc/{}/stat", pid)), boot("/proc/sys/kernel/random/boot_id");
  std::string line, boot_id;
  if (!std::getline(stat, line) || !std::getline(boot, boot_id)) return {};
  std::istringstream fields(line.substr(line.rfind(')') + 2));  // the command name may hold anything
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;  // proc(5): field 22 is starttime
  return fmt::format("{}-{}-{}", pid, field, boot_id.substr(0, 8));
}

constexpr int kLockTries = 500;
constexpr std::chrono::milliseconds kLockPause{2};

class LinuxDisk : public Disk {
 public:
  LinuxDisk(UniqueFd root, std::string path) : root_(std::move(root)), path_(std::move(path)) {}

  Result<void> may_write() override {
    struct stat st {};
    if (::fstat(root_.get(), &st) != 0) return fail_errno("look at", path_);
    if (st.st_uid == ::geteuid()) return {};
    const passwd* owner = ::getpwuid(st.st_uid);
    const std::string name = owner != nullptr ? owner->pw_name : fmt::format("#{}", st.st_uid);
    return fail_errno("write to the spool", path_, fmt::format("it belongs to {}: do it as that user, sudo -u {}", name, name), EPERM);
  }
  Result<int> create(const std::string& path) override {
    UniqueFd fd = open_beneath(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    if (!fd.valid()) return fail_errno("create", absolute(path));
    return fd.release();
  }
  Result<void> write(int file, std::string_view bytes) override {
    return write_all(file, bytes, path_);
  }
  static Result<void> write_all(int file, std::string_view bytes, const std::string& what) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(file, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("write to", what, hint());
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }
  Result<void> sync_file(int file) override {
    if (::fsync(file) != 0) return fail_errno("flush a file of", path_, hint());
    return {};
  }
  void close_file(int file) override { ::close(file); }
  Result<void> sync_path(const std::string& path) override {
    UniqueFd fd = open_beneath(path, O_RDONLY);
    if (!fd.valid()) return fail_errno("open", absolute(path));
    return sync_file(fd.get());
  }
  Result<void> sync_directory(const std::string& path) override {
    UniqueFd fd = open_beneath(path, O_RDONLY | O_DIRECTORY);
    if (!fd.valid()) return fail_errno("open", absolute(path));
    if (::fsync(fd.get()) != 0) return fail_errno("flush", absolute(path), hint());
    return {};
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    const Place a = place(from), b = place(to);
    if (!a || !b || ::renameat2(a.dir(), a.name.c_str(), b.dir(), b.name.c_str(), RENAME_NOREPLACE) != 0)
      return fail_errno("rename", absolute(from), hint());
    return {};
  }
  Result<void> link(const std::string& from, const std::string& to) override {
    const Place a = place(from), b = place(to);
    if (!a || !b || ::linkat(a.dir(), a.name.c_str(), b.dir(), b.name.c_str(), 0) != 0)
      return fail_errno("link", absolute(to), hint());
    return {};
  }
  Result<void> unlink(const std::string& path) override { return remove(path, 0); }
  Result<void> make_directory(const std::string& path) override {
    const Place p = place(path);
    if (!p || ::mkdirat(p.dir(), p.name.c_str(), 0750) != 0) return fail_errno("create", absolute(path), hint());
    return {};
  }
  Result<void> remove_directory(const std::string& path) override { return remove(path, AT_REMOVEDIR); }
  Result<void> remove_tree(const std::string& path) override {
    const Place p = place(path);
    if (!p) return errno == ENOENT ? Result<void>{} : fail_errno("remove", absolute(path));
    std::error_code error;
    std::filesystem::remove_all(fmt::format("/proc/self/fd/{}/{}", p.dir(), p.name), error);
    if (error) return fail_errno("remove", absolute(path), {}, error.value());
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    UniqueFd fd = open_beneath(path, O_RDONLY | O_DIRECTORY);
    DIR* dir = fd.valid() ? ::fdopendir(fd.get()) : nullptr;
    if (dir == nullptr) return fail_errno("list", absolute(path));
    (void)fd.release();  // the stream closes it
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir))
      if (const std::string name = entry->d_name; name != "." && name != "..") names.push_back(name);
    ::closedir(dir);
    return names;
  }
  Result<std::string> read(const std::string& path, std::uint64_t limit) override {
    UniqueFd fd = open_beneath(path, O_RDONLY | O_NONBLOCK);  // a FIFO that was put there must not hold us
    struct stat st {};
    if (!fd.valid() || ::fstat(fd.get(), &st) != 0) return fail_errno("read", absolute(path));
    if (!S_ISREG(st.st_mode)) return fail_errno("read", absolute(path), "it is not a plain file", EINVAL);
    if (static_cast<std::uint64_t>(st.st_size) > limit) return fail_errno("read", absolute(path), "too large", EFBIG);
    std::string bytes(static_cast<std::size_t>(st.st_size), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("read", absolute(path));
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    bytes.resize(done);
    return bytes;
  }
  Result<FileInfo> info(const std::string& path) override {
    struct stat st {};
    const Place p = place(path);
    if (!p || ::fstatat(p.dir(), p.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return FileInfo{};
      return fail_errno("look at", absolute(path));
    }
    return FileInfo{true, S_ISDIR(st.st_mode), static_cast<std::uint64_t>(st.st_size)};
  }
  Result<void> stream(const std::string& path, const Take& take) override {
    UniqueFd fd = open_beneath(path, O_RDONLY | O_NONBLOCK);  // a FIFO that was put there must not hold us
    struct stat st {};
    if (!fd.valid() || ::fstat(fd.get(), &st) != 0) return fail_errno("read", absolute(path));
    if (!S_ISREG(st.st_mode)) return fail_errno("read", absolute(path), "it is not a plain file", EINVAL);
    char buffer[64 * 1024];
    for (;;) {
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n == 0) return {};
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("read", absolute(path));
      TRY(take({buffer, static_cast<std::size_t>(n)}));
    }
  }
  Result<void> publish(const std::string& target, const std::string& from_path) override;
  Result<std::unique_ptr<Lock>> lock(const std::string& path) override {
    UniqueFd fd = open_beneath(path, O_RDWR | O_CREAT, 0640);
    if (!fd.valid()) return fail_errno("lock", absolute(path));
    // Who is killed while it starts a program leaves its locks with that child
    // until its exec, some milliseconds: of a dead owner's lock that is waited for.
    for (int tries = 0; ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
      if (errno != EWOULDBLOCK) return fail_errno("lock", absolute(path));
      if (tries == kLockTries || is_of_the_living(fd.get())) return fail_errno("lock", absolute(path), {}, EWOULDBLOCK);
      std::this_thread::sleep_for(kLockPause);
    }
    const std::string token = owner();
    if (::ftruncate(fd.get(), 0) == 0) (void)!::pwrite(fd.get(), token.data(), token.size(), 0);  // only a hint
    return std::unique_ptr<Lock>(std::make_unique<LinuxLock>(std::move(fd)));
  }
  std::string owner() override { return process_token(::getpid()); }
  bool owner_is_alive(const std::string& owner) override {
    return process_token(static_cast<pid_t>(std::strtol(owner.c_str(), nullptr, 10))) == owner;
  }
  std::string absolute(const std::string& path) const override { return path_ + "/" + path; }
  std::int64_t now_ms() override {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    return std::int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
  }

 private:
  // A name in a directory that was reached without following any link.
  struct Place {
    UniqueFd opened;
    int root;  // where the name is in the spool's own directory
    std::string name;
    bool found = true;
    explicit operator bool() const { return found; }
    [[nodiscard]] int dir() const { return opened.valid() ? opened.get() : root; }
  };
  // Not found: errno says why.
  Place place(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return {UniqueFd(), root_.get(), path};
    UniqueFd dir = open_beneath(path.substr(0, slash), O_PATH | O_DIRECTORY);
    const bool found = dir.valid();
    return {std::move(dir), root_.get(), path.substr(slash + 1), found};
  }
  Result<void> remove(const std::string& path, int flags) {
    const Place p = place(path);
    if (!p || ::unlinkat(p.dir(), p.name.c_str(), flags) != 0) return fail_errno("remove", absolute(path));
    return {};
  }
  UniqueFd open_beneath(const std::string& path, int flags, mode_t mode = 0) {
    return openat_beneath(root_.get(), path, flags | ((flags & O_PATH) != 0 ? 0 : O_NOCTTY), mode);
  }
  bool is_of_the_living(int lock) {
    char text[128];
    const ssize_t n = ::pread(lock, text, sizeof text, 0);
    return n > 0 && owner_is_alive({text, static_cast<std::size_t>(n)});
  }
  static std::string hint() {
    return errno == ENOSPC || errno == EDQUOT ? "the spool's disk is full: free some space; nothing was lost" : "";
  }

  UniqueFd root_;
  std::string path_;
};

Result<void> LinuxDisk::publish(const std::string& target, const std::string& from_path) {
  const std::filesystem::path to(target);
  UniqueFd dir(::open(to.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid()) return fail_errno("open the folder of", target);
  const std::string temporary = fmt::format(".{}.{}", to.filename().string(), owner());
  (void)::unlinkat(dir.get(), temporary.c_str(), 0);  // of an earlier try of ours
  UniqueFd out(::openat(dir.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!out.valid()) return fail_errno("write", target);
  auto done = stream(from_path, [&](std::string_view bytes) { return write_all(out.get(), bytes, target); });
  if (done && (::fsync(out.get()) != 0 || ::renameat(dir.get(), temporary.c_str(), dir.get(), to.filename().c_str()) != 0 ||
               ::fsync(dir.get()) != 0))
    done = fail_errno("publish", target);
  if (!done) (void)::unlinkat(dir.get(), temporary.c_str(), 0);
  return done;
}

}  // namespace

Result<std::unique_ptr<Disk>> open_linux_disk(const std::string& path, bool create) {
  if (create && ::mkdir(path.c_str(), 0750) != 0 && errno != EEXIST) return fail_errno("create the spool", path);
  std::error_code error;
  const std::string real = std::filesystem::canonical(path, error).string();
  UniqueFd root(error ? -1 : ::open(real.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid())
    return fail_errno("open the spool", path, "start the daemon: milongad --spool " + path + ", or name another with --spool",
                      error ? error.value() : errno);
  struct stat st {};
  if (::fstat(root.get(), &st) != 0) return fail_errno("look at the spool", path);
  if ((st.st_mode & 002) != 0) return fail("the spool '" + path + "' can be written by everybody", "chmod o-w " + path);
  return std::unique_ptr<Disk>(std::make_unique<LinuxDisk>(std::move(root), real));
}

std::string unfit_file_system(const std::string& path, bool allow_volatile) {
  struct statfs fs {};
  if (::statfs(path.c_str(), &fs) != 0) return {};
  const auto type = static_cast<unsigned long>(fs.f_type);
  if (type == NFS_SUPER_MAGIC || type == static_cast<unsigned long>(kCifsMagic) ||
      type == static_cast<unsigned long>(kSmb2Magic) || type == static_cast<unsigned long>(kFuseMagic))
    return "a network or FUSE file system does not keep the promises that the spool rests on";
  if (!allow_volatile && (type == TMPFS_MAGIC || type == RAMFS_MAGIC || type == OVERLAYFS_SUPER_MAGIC))
    return "what is on tmpfs or overlay is lost with the power";
  return {};
}

}  // namespace milonga::queue
