#include "runner/vmm/job_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include "base/core/unique_fd.h"

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
    open_how how{};
    how.flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    how.mode = file.mode & 0777;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    UniqueFd out(static_cast<int>(::syscall(SYS_openat2, root.get(), file.path.c_str(), &how, sizeof how)));
    if (!out.valid()) return fail_errno("copy in", file.path);
    TRY(queue.copy_input(file, out.get()));
  }
  return {};
}

}  // namespace milonga::runner
