// Docker's multiplexed stream of a container without a terminal: frames of
// standard output and standard error, one after the other
// (Engine API, "Attach to a container": 8 bytes of head, the payload's length big-endian).
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace milonga::runner {

class RawStream {
 public:
  enum class Channel { output, errors };
  // Gets each piece as it comes; its Error ends the reading.
  using Take = std::function<Result<void>(Channel, std::string_view)>;

  explicit RawStream(Take take) : take_(std::move(take)) {}

  // Any piece of the stream. Fails on what is no such stream, and with what `take` failed with.
  Result<void> feed(std::string_view bytes);

  // Whether the last frame is whole: what ends within one was cut off.
  [[nodiscard]] bool at_boundary() const { return head_.empty() && left_ == 0; }

 private:
  static constexpr std::size_t kHead = 8;

  Take take_;
  std::string head_;  // of the next frame, as far as it is there
  Channel channel_ = Channel::output;
  std::uint32_t left_ = 0;  // bytes of this frame that are still to come
};

}  // namespace milonga::runner
