#include "images/beneath.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/beneath.h"

namespace milonga::images {

UniqueFd open_beneath(int root, const std::string& path, int flags) {
  // With O_NOFOLLOW a link would be ENOTDIR, or opened.
  return openat_beneath(root, path.empty() ? "." : path, flags, 0, RESOLVE_NO_XDEV);
}

Result<std::vector<std::string>> names_in(int directory) {
  const int own = ::openat(directory, ".",
                           O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // a position of its own; fdopendir takes it
  DIR* const stream = own < 0 ? nullptr : ::fdopendir(own);
  if (stream == nullptr) return fail_errno("list", "a directory");
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
      names.emplace_back(entry->d_name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(stream);
  if (error != 0) return fail_errno("list", "a directory", {}, error);
  std::sort(names.begin(), names.end());
  return names;
}

Result<> remove_all(int parent, const std::string& name) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return fail_errno("remove", name);
  const UniqueFd directory = open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
  if (!directory.valid()) return fail_errno("remove", name);
  for (const std::string& child : TRY(names_in(directory.get()))) TRY(remove_all(directory.get(), child));
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) return fail_errno("remove", name);
  return {};
}

}  // namespace milonga::images
