#include "runner/vmm/raw_stream.h"

#include <algorithm>

namespace milonga::runner {

Result<void> RawStream::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (left_ > 0) {
      const std::string_view piece = bytes.substr(0, left_);
      left_ -= static_cast<std::uint32_t>(piece.size());
      bytes.remove_prefix(piece.size());
      TRY(take_(channel_, piece));
      continue;
    }
    const std::size_t wanted = std::min(kHead - head_.size(), bytes.size());
    head_.append(bytes.substr(0, wanted));
    bytes.remove_prefix(wanted);
    if (head_.size() < kHead) break;
    const auto byte = [this](std::size_t i) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(head_[i]));
    };
    if ((byte(0) != 1 && byte(0) != 2) || byte(1) != 0 || byte(2) != 0 || byte(3) != 0)
      return fail("the container's stream is none of Docker's (has its image a terminal?)");
    channel_ = byte(0) == 1 ? Channel::output : Channel::errors;
    left_ = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
    head_.clear();
  }
  return {};
}

}  // namespace milonga::runner
