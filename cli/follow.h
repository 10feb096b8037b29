// Waiting for a job by events: inotify on the spool and on the job's output.
//
// Privilege: none (the caller's).
#pragma once

#include <functional>
#include <optional>

#include "base/result.h"
#include "queue/queue.h"

namespace milonga::cli {

// Follows the job until it is done and returns its last status; nothing if there
// is no such job. `seen` gets the status at first and whenever it may have
// changed. With `output_fd` >= 0 what the job writes is copied there as it comes,
// and when it is done the rest of its feedback.
Result<std::optional<queue::Status>> follow(queue::Queue& queue, queue::JobId id, int output_fd,
                                            const std::function<void(const queue::Status&)>& seen);

// Copies what is between the file's current offset and its end; returns the bytes.
Result<std::uint64_t> copy_rest(int from_fd, int to_fd);

// Writes the feedback of a job that is done; nothing if it has none.
Result<> copy_feedback(const queue::Status& done, int to_fd);

}  // namespace milonga::cli
