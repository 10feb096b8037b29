// What is kept of a job's output: the head and the tail; the middle is counted
// and dropped. Byte for byte Tango's truncation: with N bytes allowed and more
// written, the first N/2 (rounded down), a marker, the last N/2.
//
// Memory grows with what was written, never beyond the limit.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milonga {

inline constexpr std::string_view kElided = "\n...[excess bytes elided]...\n";
static_assert(kElided.size() == 29);

class OutputCap {
 public:
  // limit: bytes, at least 2.
  explicit OutputCap(std::uint64_t limit);

  void append(std::string_view bytes);

  // What is known to be kept already, from the first byte on; it only grows.
  [[nodiscard]] std::string_view head() const { return head_; }

  // What follows the head when nothing more will come: in one to three pieces,
  // with the marker if bytes were dropped. Valid until the next append().
  [[nodiscard]] std::vector<std::string_view> rest() const;

  [[nodiscard]] std::uint64_t total() const { return total_; }  // bytes appended
  [[nodiscard]] std::uint64_t kept() const;                     // of these (the marker is not counted)
  [[nodiscard]] bool overflown() const { return total_ > limit_; }

 private:
  std::uint64_t limit_;
  std::uint64_t total_ = 0;
  std::string head_;
  std::string tail_;            // a ring once it has its full size
  std::size_t tail_start_ = 0;  // the oldest byte of the ring
};

}  // namespace milonga
