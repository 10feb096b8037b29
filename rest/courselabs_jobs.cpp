// What a job takes out of a course lab: its files, staged; and MD5s of what is there.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "rest/courselabs.h"

namespace milonga::rest {
namespace {

constexpr std::size_t kMostListed = 1000;            // files in a reply of open
constexpr std::uint64_t kHashBudget = 256ull << 20;  // bytes read for one reply of open

struct Entry {
  std::string name;
  struct stat st {};
  // When it was sent or a job took it: see touch().
  [[nodiscard]] std::int64_t used() const { return std::max(st.st_atim.tv_sec, st.st_mtim.tv_sec); }
};

Result<std::vector<Entry>> entries_of(int lab) {
  UniqueFd again(::openat(lab, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* dir = again.valid() ? ::fdopendir(again.get()) : nullptr;
  if (dir == nullptr) return fail_errno("list", "the course lab");
  (void)again.release();  // the stream closes it
  std::vector<Entry> entries;
  while (const dirent* found = ::readdir(dir)) {
    Entry entry;
    entry.name = found->d_name;
    if (::fstatat(lab, found->d_name, &entry.st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(entry.st.st_mode))
      entries.push_back(std::move(entry));
  }
  ::closedir(dir);
  return entries;
}

// Marks a file as used now, by its time of access; its time of change stays.
void touch(int lab, const std::string& name) {
  const timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  (void)::utimensat(lab, name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

// For files that were put there by somebody else, which may not be linked
// (proc(5), protected_hardlinks), or that lie on another file system.
Result<void> copy_file(int lab, const std::string& from, int stage, const std::string& to) {
  UniqueFd in(::openat(lab, from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  UniqueFd out(::openat(stage, to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (!in.valid() || !out.valid()) return fail_errno("read", from);
  char buffer[64 * 1024];
  for (ssize_t n; (n = ::read(in.get(), buffer, sizeof buffer)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", from);
    for (ssize_t done = 0; done < n;) {
      const ssize_t m = ::write(out.get(), buffer + done, static_cast<std::size_t>(n - done));
      if (m < 0 && errno != EINTR) return fail_errno("copy", from);
      done += std::max<ssize_t>(m, 0);
    }
  }
  return {};
}

Result<void> stage_file(int lab, int stage, const JobFile& file) {
  struct stat st {};
  if (::fstatat(lab, file.local.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? Result<void>(fail(fmt::format("Input file not found: {}", file.local)))
                           : Result<void>(fail_errno("read", file.local));
  if (!S_ISREG(st.st_mode)) return fail(fmt::format("Input file is not a plain file: {}", file.local));
  if (::unlinkat(stage, file.dest.c_str(), 0) != 0 && errno != ENOENT)
    return fail_errno("replace", file.dest);
  touch(lab, file.local);
  if (::linkat(lab, file.local.c_str(), stage, file.dest.c_str(), 0) == 0) return {};
  if (errno != EPERM && errno != EXDEV && errno != EMLINK) return fail_errno("take", file.local);
  return copy_file(lab, file.local, stage, file.dest);
}

}  // namespace

Result<std::string> CourseLabs::hash_of(int lab, const std::string& name, std::uint64_t& budget) {
  UniqueFd fd(::openat(lab, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0) return fail_errno("read", name);
  if (const auto known = cache_.find(st)) return *known;
  if (static_cast<std::uint64_t>(st.st_size) > budget) return std::string();
  budget -= static_cast<std::uint64_t>(st.st_size);
  Md5 md5;
  char buffer[64 * 1024];
  for (ssize_t n; (n = ::read(fd.get(), buffer, sizeof buffer)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", name);
    md5.add({buffer, static_cast<std::size_t>(n)});
  }
  std::string hex = md5.hex();
  cache_.add(st, hex);
  return hex;
}

Result<std::vector<std::pair<std::string, std::string>>> CourseLabs::hashes(const std::string& lab) {
  UniqueFd directory = open_below(lab, O_RDONLY | O_DIRECTORY);
  if (!directory.valid()) return fail_errno("open", path_ + "/" + lab);
  std::vector<Entry> entries = TRY(entries_of(directory.get()));
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(b.used(), a.name) < std::pair(a.used(), b.name);  // the ones used last first
  });
  if (entries.size() > kMostListed) entries.resize(kMostListed);
  std::vector<std::pair<std::string, std::string>> found;
  std::uint64_t budget = kHashBudget;
  for (const Entry& entry : entries)
    if (auto md5 = hash_of(directory.get(), entry.name, budget); md5 && !md5->empty())
      found.emplace_back(entry.name, *md5);  // one that just went is no failure
  return found;
}

Result<std::unique_ptr<CourseLabs::Staged>> CourseLabs::stage(const std::string& lab,
                                                              const std::vector<JobFile>& files) {
  UniqueFd directory = open_below(lab, O_RDONLY | O_DIRECTORY);
  if (!directory.valid()) return fail_errno("open", path_ + "/" + lab);
  const std::string name = temporary("job");
  if (::mkdirat(own_.get(), name.c_str(), 0700) != 0) return fail_errno("create", own_path_ + "/" + name);
  std::unique_ptr<Staged> staged(new Staged(fmt::format("{}/{}/{}", path_, own_path_, name)));
  UniqueFd stage(::openat(own_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!stage.valid()) return fail_errno("open", staged->path());
  for (const JobFile& file : files) TRY(stage_file(directory.get(), stage.get(), file));
  return staged;
}

CourseLabs::Staged::~Staged() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

Result<std::unique_ptr<CourseLabs::OldOutput>> CourseLabs::put_aside(const std::string& lab,
                                                                     const std::string& name) {
  UniqueFd output = open_below(lab + "/output", O_RDONLY | O_DIRECTORY);
  if (!output.valid()) return fail_errno("open", fmt::format("{}/{}/output", path_, lab));
  std::string aside = temporary("output");
  if (::renameat(output.get(), name.c_str(), own_.get(), aside.c_str()) != 0) {
    if (errno == ENOENT) return std::unique_ptr<OldOutput>();
    return fail_errno("replace", name);
  }
  return std::unique_ptr<OldOutput>(new OldOutput(std::move(output), name, *this, std::move(aside)));
}

void CourseLabs::OldOutput::drop() {
  dropped_ = true;
}

CourseLabs::OldOutput::~OldOutput() {
  // A link, which never replaces what a job of that name wrote meanwhile.
  if (!dropped_) (void)!::linkat(labs_.own_.get(), aside_.c_str(), output_.get(), name_.c_str(), 0);
  (void)::unlinkat(labs_.own_.get(), aside_.c_str(), 0);
}

}  // namespace milonga::rest
