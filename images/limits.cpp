#include "images/limits.h"

#include <fmt/format.h>

#include "base/size.h"

namespace milonga::images {
namespace {

// Below this the ratio says nothing: an empty layer of 10 KiB packs into 100 bytes.
constexpr std::uint64_t kRatioCounts = std::uint64_t{64} << 20;

}  // namespace

void Meter::expect(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  progress_.size += bytes;
}

Result<> Meter::read(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  progress_.read += bytes;
  return on_progress_ ? on_progress_(progress_) : Result<>();
}

Result<> Meter::unpacked(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  unpacked_ += bytes;
  if (limits_.ratio == 0 || unpacked_ < kRatioCounts || unpacked_ / limits_.ratio <= progress_.read)
    return {};
  return fail(fmt::format("unpacks to more than {} times its size", limits_.ratio),
              "allow more with --max-ratio, 0: any");
}

Result<> Meter::entry() {
  const std::lock_guard lock(mutex_);
  if (++progress_.entries <= limits_.entries) return {};
  return fail(fmt::format("one more than {} entries", limits_.entries), "allow more with --max-entries");
}

Result<> Meter::file(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > limits_.bytes || bytes_ > limits_.bytes - bytes)
    return fail(fmt::format("makes the image larger than {} ({} so far, {} more)", human_size(limits_.bytes),
                            human_size(bytes_), human_size(bytes)),
                "allow more with --max-size");
  bytes_ += bytes;
  return {};
}

}  // namespace milonga::images
