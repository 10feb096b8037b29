// How large an image may become, and the count of how large one already is.
//
// An archive says nothing trustworthy about its size: 10 GiB of zeros fit into
// 10 KiB. So all is counted while it is made, and the first count that is over
// ends the import.
//
// Privilege: none (the caller's).
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "base/result.h"

namespace milonga::images {

// docs/man/milonga.1.scd has the defaults as well.
struct Limits {
  std::uint64_t bytes = std::uint64_t{8} << 30;  // of all files together, holes included
  std::uint64_t entries = 500'000;               // files, directories, links
  // Bytes unpacked for each byte read, looked at once there is enough of them: real images stay below 20.
  std::uint64_t ratio = 200;
};

struct Progress {
  std::uint64_t read = 0;  // of the source
  std::uint64_t size = 0;  // of the source; 0: not known
  std::uint64_t entries = 0;
};

// Called now and then; an error ends the import (Ctrl-C).
using OnProgress = std::function<Result<>(const Progress&)>;

// May be used by several threads at once.
class Meter {
 public:
  Meter(Limits limits, OnProgress on_progress) : limits_(limits), on_progress_(std::move(on_progress)) {}

  void expect(std::uint64_t bytes);
  Result<> read(std::uint64_t bytes);      // from the source
  Result<> unpacked(std::uint64_t bytes);  // out of a compression
  Result<> entry();                        // one more file, directory or link
  Result<> file(std::uint64_t bytes);      // before a file of this size is written

 private:
  std::mutex mutex_;
  Limits limits_;
  OnProgress on_progress_;
  Progress progress_;
  std::uint64_t unpacked_ = 0, bytes_ = 0;
};

}  // namespace milonga::images
