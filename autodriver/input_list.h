// The job's files, found in a directory with the caller's rights, before
// anything runs.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"
#include "sandbox/model/input_stream.h"

namespace milonga {

struct InputEntry {
  std::string path;  // relative to the directory; a directory stands before what is in it
  InputKind kind = InputKind::file;
  std::uint32_t mode = 0;  // permission bits
  std::uint64_t size = 0;  // of a file, in bytes
};

// What make(1) looks for, in its order. A job without a command needs one of them.
inline constexpr const char* kMakefileNames[] = {"GNUmakefile", "makefile", "Makefile"};

// Everything beneath `directory`, sorted by name within each directory. `shown`
// is its name in messages. Fails on what cannot be handed to a job (FIFOs,
// sockets, devices), on what the caller may not look at, on over-long paths.
Result<std::vector<InputEntry>> list_input(int directory, const std::string& shown);

// Opens a path beneath `directory`, following no symbolic link: what lies
// outside can never be sent.
Result<UniqueFd> open_beneath(int directory, const std::string& path, int flags);

}  // namespace milonga
