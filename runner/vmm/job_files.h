// A job's files in its work directory, for drivers that work with files.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "queue/queue.h"

namespace milonga::runner {

// Writes every file below <work_dir>/input/<directory>, which is new and ours; no name of a job leads out of
// it.
Result<void> write_job_files(queue::Queue& queue, const queue::Claim& claim);

// A file that autodriver left; "" if there is none. An I/O error ends it early: a report that is not whole is
// none.
std::string read_left(const std::string& path);

// Of the output so far at most `limit` bytes from `offset`; "" if there is none yet.
std::string read_piece(const std::string& path, std::uint64_t offset, std::size_t limit);

}  // namespace milonga::runner
