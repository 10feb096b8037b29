// The pieces that an image comes in, by their names: the members of an archive
// (docker save, an OCI archive), or the files of an OCI layout.
//
// Privilege: none (the caller's).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/core/unique_fd.h"
#include "base/result.h"
#include "images/limits.h"

namespace milonga::images {

// A part of an open file, which is the Blobs'.
struct Blob {
  int fd = -1;
  std::uint64_t offset = 0, size = 0;
};

class Blobs {
 public:
  Blobs() = default;
  Blobs(const Blobs&) = delete;
  Blobs& operator=(const Blobs&) = delete;
  virtual ~Blobs() = default;
  [[nodiscard]] virtual bool has(const std::string& name) = 0;
  // Fails if there is none of this name. Good until the next call.
  virtual Result<Blob> open(const std::string& name) = 0;
  // All of a small one, such as a manifest; one of more than 4 MiB is refused.
  Result<std::string> text(const std::string& name);
};

// The members of an archive, if it looks like an image (docker's manifest.json, or OCI's index.json); null:
// then it is a root file system. Members of a compressed archive are unpacked into a file without a name in
// `temporary`, a directory.
Result<std::unique_ptr<Blobs>> blobs_of_archive(int archive, int temporary, Meter& meter);

// The files of a directory, if it is an OCI layout; else null.
std::unique_ptr<Blobs> blobs_of_directory(int directory);

}  // namespace milonga::images
