// Unpacks the job's files (sandbox/model/input_stream.h) into the working
// directory. Runs inside the box, with the job's own ids, limits and view of the
// file system: whatever the stream says, it can do no more than the job could.
//
// Privilege: job.
#pragma once

#include "sandbox/core/fail.h"

namespace milonga::core {

// Reads the stream from `fd` to its end record. Fails on a torn or malformed
// stream, or when the box's disk or inode limit is too small for the files.
Fail unpack_input(int fd);

}  // namespace milonga::core
