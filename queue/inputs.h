// A job's input files: read below one directory with the caller's rights, and
// pinned by content: blob/<first two hex>/<the other 62>. A blob that is there
// is not written again; a queued job keeps the versions that it was submitted with.
//
// Privilege: none (the caller's rights).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "queue/disk.h"
#include "queue/job.h"

namespace milonga::queue {

inline constexpr std::size_t kMaxInputFiles = 10'000;  // their records must fit into the job's 256 KiB as well
inline constexpr std::uint64_t kMaxInputBytes = 10ull << 30;

std::string blob_path(const std::string& sha256);

// Copies every file below `source_dir` into the store; durable on return. Symbolic
// links are taken as the file that they lead to, if that is below the directory.
// Fails, naming the file, on anything that is neither file nor directory, a link
// that leads outside, an unreadable file, or too many files or bytes.
// `temporary` gives a fresh path below tmp/ at each call.
Result<std::vector<InputFile>> store_inputs(Disk& disk, const std::string& source_dir,
                                            const std::function<std::string()>& temporary);

}  // namespace milonga::queue
