#include "autodriver/input_list.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/beneath.h"

namespace milonga {
namespace {

using Stream = std::unique_ptr<DIR, int (*)(DIR*)>;

Result<std::vector<std::string>> names_in(int directory, const std::string& path, const std::string& shown) {
  UniqueFd fd = TRY(open_beneath(directory, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY));
  const Stream stream(::fdopendir(fd.get()), &::closedir);
  if (!stream) return fail_errno("read", shown + "/" + path);
  (void)fd.release();  // closedir closes it
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  if (errno != 0) return fail_errno("read", shown + "/" + path);
  std::sort(names.begin(), names.end());
  return names;
}

const char* what_it_is(mode_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

Result<InputEntry> look_at(int directory, const std::string& path, const std::string& shown) {
  struct stat st {};
  if (path.size() > kMaxInputName)
    return fail("a path in '" + shown + "' is longer than 4095 bytes", "shorten it");
  if (::fstatat(directory, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail_errno("look at", shown + "/" + path);
  }
  const auto mode = static_cast<std::uint32_t>(st.st_mode & 0777);
  if (S_ISDIR(st.st_mode)) return InputEntry{path, InputKind::directory, mode, 0};
  if (S_ISREG(st.st_mode))
    return InputEntry{path, InputKind::file, mode, static_cast<std::uint64_t>(st.st_size)};
  if (S_ISLNK(st.st_mode)) return InputEntry{path, InputKind::symlink, mode, 0};
  return fail("'" + shown + "/" + path + "' is " + what_it_is(st.st_mode),
              "only files, directories and symbolic links can be given to a job: remove it");
}

}  // namespace

Result<UniqueFd> open_beneath(int directory, const std::string& path, int flags) {
  UniqueFd fd = openat_beneath(directory, path, flags | O_NOFOLLOW);
  if (!fd.valid()) return fail_errno("open", path);
  return fd;
}

Result<std::vector<InputEntry>> list_input(int directory, const std::string& shown) {
  std::vector<InputEntry> entries;
  std::vector<std::string> waiting = {""};  // directories still to be read; "" is the top
  while (!waiting.empty()) {
    const std::string path = std::move(waiting.back());
    waiting.pop_back();
    for (const std::string& name : TRY(names_in(directory, path, shown))) {
      InputEntry entry = TRY(look_at(directory, path.empty() ? name : path + "/" + name, shown));
      if (entry.kind == InputKind::directory) waiting.push_back(entry.path);
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

}  // namespace milonga
