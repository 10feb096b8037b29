#include "runner/vmm/job_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/beneath.h"

namespace milonga::runner {

Result<void> write_job_files(queue::Queue& queue, const queue::Claim& claim) {
  const std::filesystem::path top = std::filesystem::path(claim.work_dir) / "input" / claim.job.directory;
  std::error_code error;
  std::filesystem::create_directories(top, error);
  UniqueFd root(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return fail_errno("create", top.string());
  for (const queue::InputFile& file : claim.job.files) {
    for (std::size_t slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1))
      if (::mkdirat(root.get(), file.path.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST)
        return fail_errno("create a folder for", file.path);
    const UniqueFd out = openat_beneath(root.get(), file.path, O_WRONLY | O_CREAT | O_EXCL, file.mode & 0777);
    if (!out.valid()) return fail_errno("copy in", file.path);
    TRY(queue.copy_input(file, out.get()));
  }
  return {};
}

std::string read_left(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string read_piece(const std::string& path, std::uint64_t offset, std::size_t limit) {
  std::string text(limit, '\0');
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(text.data(), static_cast<std::streamsize>(limit));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace milonga::runner
