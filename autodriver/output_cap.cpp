#include "autodriver/output_cap.h"

#include <algorithm>

namespace milonga {

OutputCap::OutputCap(std::uint64_t limit) : limit_(limit) {}

void OutputCap::append(std::string_view bytes) {
  total_ += bytes.size();
  const std::size_t head_size = limit_ / 2;
  const std::size_t into_head = std::min(bytes.size(), head_size - head_.size());
  head_ += bytes.substr(0, into_head);
  bytes.remove_prefix(into_head);

  // One byte more than the last half of an odd limit: as long as nothing is
  // dropped, head and tail together are all there is.
  const std::size_t tail_size = limit_ - head_size;
  if (bytes.size() > tail_size) bytes.remove_prefix(bytes.size() - tail_size);
  const std::size_t fresh = std::min(bytes.size(), tail_size - tail_.size());
  tail_ += bytes.substr(0, fresh);
  bytes.remove_prefix(fresh);
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), tail_size - tail_start_);
    tail_.replace(tail_start_, part, bytes.substr(0, part));
    tail_start_ = (tail_start_ + part) % tail_size;
    bytes.remove_prefix(part);
  }
}

std::vector<std::string_view> OutputCap::rest() const {
  const std::string_view all = tail_;
  std::string_view older = all.substr(tail_start_);
  const std::string_view newer = all.substr(0, tail_start_);
  if (!overflown()) return {older, newer};
  if (limit_ % 2 != 0) older.remove_prefix(1);  // the ring's spare byte
  return {kElided, older, newer};
}

std::uint64_t OutputCap::kept() const {
  return overflown() ? limit_ / 2 * 2 : total_;
}

}  // namespace milonga
