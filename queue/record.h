// The files of the spool, as bytes: a first line with length and hash, so that a
// torn, truncated, zero-filled or rotten file is recognised before it is parsed
// (and by hand: tail -n +2 FILE | sha256sum), then JSON.
//
//   milonga-job 1 <payload bytes> <sha256 of payload>\n{...}\n
//
// Privilege: none.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "queue/job.h"
#include "queue/queue.h"

namespace milonga::queue {

inline constexpr std::size_t kMaxJobRecord = 256 * 1024;        // bytes
inline constexpr std::size_t kMaxResultRecord = 4 * 1024 * 1024;

std::string write_job(const Job& job);
// Strict: every field is there, of its type and in its range, and no other field is. Errors name the field.
Result<Job> read_job(std::string_view file);
// The rules of read_job() for a job that is about to be written: names, lane, options, command.
Result<void> check_job(const Job& job);

std::string write_result(const ResultRecord& result);
Result<ResultRecord> read_result(std::string_view file);

const char* outcome_name(Outcome outcome);

}  // namespace milonga::queue
