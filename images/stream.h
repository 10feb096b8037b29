// Bytes on their way from a file into a tree: read, hashed, unpacked.
//
// Compressions by libarchive, of which only those are on that it does itself: by
// default it would also start programs (lrzip, grzip) that it finds in the PATH.
//
// Privilege: none (the caller's).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "images/limits.h"

struct archive;

namespace milonga::images {

class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;
  // The next bytes, good until the next call; none: the end.
  virtual Result<std::string_view> next() = 0;
};

// A part of a file. The descriptor stays the caller's; its position is not used.
class FileSource : public Source {
 public:
  FileSource(int fd, std::uint64_t offset, std::uint64_t size, Meter& meter);
  Result<std::string_view> next() override;

 private:
  int fd_;
  std::uint64_t at_, end_;
  Meter& meter_;
  std::vector<char> buffer_;
};

// What it passes on it hashes.
class HashingSource : public Source {
 public:
  explicit HashingSource(Source& from) : from_(from) {}
  Result<std::string_view> next() override;
  // Reads what is left, then: the SHA-256 of all of it (hex). Once.
  Result<std::string> digest();

 private:
  Source& from_;
  Sha256 hash_;
};

// Looks at the end of what it passes on.
class TailSource : public Source {
 public:
  explicit TailSource(Source& from) : from_(from) {}
  Result<std::string_view> next() override;
  // Are the last 512 bytes zeros, as at the end of each whole tar?
  [[nodiscard]] bool ends_in_zeros() const { return zeros_ >= 512; }

 private:
  Source& from_;
  std::uint64_t zeros_ = 0;
};

struct ArchiveCloser {
  void operator()(archive* a) const;
};
using Archive = std::unique_ptr<archive, ArchiveCloser>;

// What libarchive reads from, and why that failed, if it did.
struct ArchiveInput {
  Source* source;
  Result<> error = {};
};

// Lets libarchive read. `input` stays where it is for as long as the archive is read.
Result<> open_archive(archive* a, ArchiveInput& input);

// The words of libarchive's last error, or those of its input.
Unexpected archive_error(archive* a, const ArchiveInput& input);

// A source without its compression, if it has one (gzip, bzip2, xz, lzma, lz4, zstd, compress).
class UnpackingSource : public Source {
 public:
  static Result<std::unique_ptr<UnpackingSource>> open(Source& from, Meter& meter);
  Result<std::string_view> next() override;
  [[nodiscard]] bool is_compressed() const { return compressed_; }

 private:
  UnpackingSource(Source& from, Meter& meter);
  ArchiveInput input_;
  Archive archive_;
  Meter& meter_;
  bool compressed_ = false, ended_ = false;
};

}  // namespace milonga::images
