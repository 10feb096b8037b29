#include "rest/courselabs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/beneath.h"

namespace milonga::rest {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostShared = 1 << 20;  // bytes of a small file
constexpr mode_t kDirectoryMode = 0770,
                 kFileMode = 0640;  // the umask takes the group's rights where it should

Result<void> write_all(int fd, std::string_view bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write", what);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

std::string random_name() {
  std::string name;
  UniqueFd fd(::open("/proc/sys/kernel/random/uuid", O_RDONLY | O_CLOEXEC));
  char text[36];
  if (::read(fd.get(), text, sizeof text) == sizeof text) name.assign(text, sizeof text);
  return name.empty() ? fmt::format("{}", ::getpid()) : name;
}

}  // namespace

UniqueFd CourseLabs::open_below(const std::string& path, int flags, mode_t mode) const {
  return openat_beneath(root_.get(), path, flags, mode);
}

Result<std::unique_ptr<CourseLabs>> CourseLabs::open(const std::string& path) {
  std::error_code error;
  const std::string real = fs::canonical(path, error).string();
  UniqueFd root(error ? -1 : ::open(real.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid())
    return fail_errno("open the course labs", path, "make the directory, or name another with --courselabs",
                      error ? error.value() : errno);
  std::unique_ptr<CourseLabs> labs(new CourseLabs(real, std::move(root)));
  TRY(labs->take_own_place());
  labs->remove_dead();
  return labs;
}

// Locked before it has the name by which others look for the dead.
Result<void> CourseLabs::take_own_place() {
  if (::mkdirat(root_.get(), "tmp", 0700) != 0 && errno != EEXIST)
    return fail_errno("create", path_ + "/tmp");
  const std::string name = random_name(), unfinished = "tmp/." + name;
  own_path_ = "tmp/" + name;
  if (::mkdirat(root_.get(), unfinished.c_str(), 0700) != 0)
    return fail_errno("create", path_ + "/" + unfinished);
  lock_ = open_below(unfinished + "/lock", O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!lock_.valid() || ::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return fail_errno("lock", path_ + "/" + unfinished);
  if (::renameat(root_.get(), unfinished.c_str(), root_.get(), own_path_.c_str()) != 0)
    return fail_errno("name", path_ + "/" + own_path_);
  own_ = open_below(own_path_, O_RDONLY | O_DIRECTORY, 0);
  if (!own_.valid()) return fail_errno("open", path_ + "/" + own_path_);
  return {};
}

// Servers whose lock nobody holds are dead. Whatever else is in tmp/ (Tango's
// uploadXXXX) is not ours to remove.
void CourseLabs::remove_dead() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_ + "/tmp", error)) {
    const std::string name = entry.path().filename().string();
    const std::string path = "tmp/" + name;
    if (path == own_path_ || name.starts_with('.') || !entry.is_directory(error)) continue;
    UniqueFd lock = open_below(path + "/lock", O_RDWR, 0);
    if (lock.valid() && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0)
      fs::remove_all(path_ + "/" + path, error);
  }
}

CourseLabs::~CourseLabs() {
  std::error_code error;
  if (own_.valid()) fs::remove_all(path_ + "/" + own_path_, error);
}

std::string CourseLabs::temporary(const char* what) {
  return fmt::format("{}.{}", what, ++sequence_);
}

bool CourseLabs::exists(const std::string& lab) const {
  return open_below(lab, O_RDONLY | O_DIRECTORY).valid();
}

// The output directory first: what exists has one.
Result<bool> CourseLabs::make(const std::string& lab) {
  const std::string output = lab + "/output";
  if (open_below(output, O_RDONLY | O_DIRECTORY).valid()) return false;
  const bool made = ::mkdirat(root_.get(), lab.c_str(), kDirectoryMode) == 0;
  if (!made && errno != EEXIST) return fail_errno("create", path_ + "/" + lab);
  if (::mkdirat(root_.get(), output.c_str(), kDirectoryMode) != 0 && errno != EEXIST)
    return fail_errno("create", path_ + "/" + output);
  UniqueFd directory = open_below(lab, O_RDONLY | O_DIRECTORY);
  if (!directory.valid() || ::fsync(directory.get()) != 0 || ::fsync(root_.get()) != 0)
    return fail_errno("flush", path_ + "/" + lab);
  return made;
}

Result<std::unique_ptr<CourseLabs::Upload>> CourseLabs::begin_upload() {
  std::string name = temporary("upload");
  UniqueFd fd = openat_beneath(own_.get(), name, O_WRONLY | O_CREAT | O_EXCL, kFileMode);
  if (!fd.valid()) return fail_errno("create", path_ + "/" + own_path_ + "/" + name);
  return std::unique_ptr<Upload>(new Upload(*this, std::move(name), std::move(fd)));
}

Result<void> CourseLabs::Upload::write(std::string_view bytes) {
  md5_.add(bytes);
  size_ += bytes.size();
  return write_all(fd_.get(), bytes, "the uploaded file");
}

CourseLabs::Upload::~Upload() {
  if (!name_.empty()) (void)::unlinkat(labs_.own_.get(), name_.c_str(), 0);
}

Result<bool> CourseLabs::place(Upload& upload, const std::string& lab, const std::string& name) {
  const std::string md5 = upload.md5_.hex(), shown = fmt::format("{}/{}/{}", path_, lab, name);
  UniqueFd directory = open_below(lab, O_RDONLY | O_DIRECTORY);
  if (!directory.valid()) return fail_errno("open", path_ + "/" + lab);
  struct stat there {};
  if (::fstatat(directory.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISREG(there.st_mode)) return fail(fmt::format("'{}' is not a plain file", name));
    std::uint64_t budget = UINT64_MAX;
    if (static_cast<std::uint64_t>(there.st_size) == upload.size_ &&
        TRY(hash_of(directory.get(), name, budget)) == md5)
      return false;
  }
  if (::fsync(upload.fd_.get()) != 0) return fail_errno("flush", shown);
  if (::renameat(own_.get(), upload.name_.c_str(), directory.get(), name.c_str()) != 0)
    return fail_errno("name", shown);
  upload.name_.clear();
  if (::fsync(directory.get()) != 0) return fail_errno("flush", shown);
  if (::fstat(upload.fd_.get(), &there) == 0) cache_.add(there, md5);
  return true;
}

std::string CourseLabs::output_path(const std::string& lab, const std::string& name) const {
  return fmt::format("{}/{}/output/{}", path_, lab, name);
}

std::string CourseLabs::relative(const std::string& absolute) const {
  return absolute.starts_with(path_ + "/") ? absolute.substr(path_.size() + 1) : std::string();
}

Result<std::optional<UniqueFd>> CourseLabs::open_output(const std::string& lab,
                                                        const std::string& name) const {
  UniqueFd fd = open_below(fmt::format("{}/output/{}", lab, name), O_RDONLY | O_NONBLOCK);
  struct stat st {};
  if (!fd.valid() && (errno == ENOENT || errno == ENOTDIR)) return std::optional<UniqueFd>();
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0) return fail_errno("read", name);
  if (!S_ISREG(st.st_mode)) return fail(fmt::format("'{}' is not a plain file", name));
  return std::optional<UniqueFd>(std::move(fd));
}

Result<std::optional<std::string>> CourseLabs::read_small(const std::string& path, std::uint64_t limit) const {
  UniqueFd fd = open_below(path, O_RDONLY | O_NONBLOCK);
  if (!fd.valid() && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>();
  if (!fd.valid()) return fail_errno("read", path_ + "/" + path);
  std::string bytes;
  char buffer[16 * 1024];
  for (ssize_t n; (n = ::read(fd.get(), buffer, sizeof buffer)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", path_ + "/" + path);
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (bytes.size() > limit) return fail(fmt::format("'{}/{}' has more than {} bytes", path_, path, limit));
  }
  return std::optional(std::move(bytes));
}

Result<std::optional<std::string>> CourseLabs::read_file(const std::string& lab, const std::string& name) const {
  return read_small(lab + "/" + name, kMostShared);
}

Result<std::string> CourseLabs::read_shared(const std::string& name) const {
  return TRY(read_small("tmp/" + name, kMostShared)).value_or("");
}

Result<void> CourseLabs::write_shared(const std::string& name, std::string_view bytes) {
  const std::string target = path_ + "/tmp/" + name, unfinished = temporary("shared");
  UniqueFd fd = openat_beneath(own_.get(), unfinished, O_WRONLY | O_CREAT | O_EXCL, kFileMode);
  if (!fd.valid()) return fail_errno("write", target);
  TRY(write_all(fd.get(), bytes, target));
  if (::fsync(fd.get()) != 0) return fail_errno("flush", target);
  if (::renameat(own_.get(), unfinished.c_str(), root_.get(), ("tmp/" + name).c_str()) != 0)
    return fail_errno("write", target);
  return {};
}

}  // namespace milonga::rest
