#include "images/entry_path.h"

#include <limits.h>

#include <fmt/format.h>

namespace milonga::images {

Result<std::string> clean_path(std::string_view path) {
  if (path.starts_with('/')) return fail("an absolute path");
  if (path.find('\0') != std::string_view::npos) return fail("a zero byte in its path");
  if (path.size() >= PATH_MAX)
    return fail(fmt::format("a path of {} bytes", path.size()), "the kernel takes 4095");
  std::string clean;
  std::size_t depth = 0;
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") return fail("'..' in its path");
    if (part.size() > NAME_MAX)
      return fail(fmt::format("a name of {} bytes", part.size()), "the kernel takes 255");
    if (++depth > kDeepest) return fail(fmt::format("more than {} directories deep", kDeepest));
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  return clean;
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view leaf_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace milonga::images
