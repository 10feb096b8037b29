// The job of a box that was made ahead of it (autodriver --warm): where its files
// are and where its output and report go, in one message with descriptors over a
// socket. The box itself is as fresh as any, and is used for this one job.
//
// Privilege: none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga {

struct WarmJob {
  UniqueFd directory;       // of the job's files
  UniqueFd output, errors;  // become autodriver's stdout and stderr
  UniqueFd lock;            // kept open until autodriver ends: whoever locked it can wait for that
  std::string report_file;  // absolute path
};

// For both ends: a pair of connected sockets that keep messages whole. Fails for want of descriptors.
struct SocketPair {
  UniqueFd ours, theirs;
};
Result<SocketPair> make_warm_sockets();

// For the owner. Fails if autodriver has gone (EPIPE) or the path is longer than PATH_MAX.
Result<> send_warm_job(int socket, const WarmJob& job);

// For autodriver: waits for the job. Nothing comes of it (nullopt) if the owner goes, or a signal comes on
// `signals`. Fails on a message that is none, or when `core` (the core's socket) is readable first: there
// is no box then.
Result<std::optional<WarmJob>> receive_warm_job(int socket, int core, int signals);

}  // namespace milonga
