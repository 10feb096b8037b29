// Files that a person names for us to write: whatever has that name, a file, a
// device, a FIFO, /dev/stdout, is written to as a shell's > does.
//
// Privilege: none (the caller's).
#pragma once

#include <string>
#include <string_view>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga {

// Opens what has this name, or makes a file, and empties it; never puts another
// file in its place. If it is our own standard output or error (/dev/stdout,
// perhaps led into a file), what will be written stands behind what is there.
// Waits for the reader of a FIFO.
Result<UniqueFd> open_output(const std::string& path);

// `shown`: the name for messages. What a file got of a text that does not fit is taken back.
Result<> write_output(int fd, std::string_view text, const std::string& shown);

// For readers that must never see half of it: a new file beside it, then a rename.
// Only where there is no file yet, or a plain one.
Result<> replace_file(const std::string& path, std::string_view text);

// Is there nothing of this name yet, or a plain file (not even a link to one)?
bool is_replaceable(const std::string& path);

}  // namespace milonga
