// Moves the job's output from its pipe to our stdout. The pipe is always
// drained, however slow stdout is: a job must not be stopped, nor measured
// wrongly, by whoever reads its feedback.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "autodriver/output_cap.h"
#include "base/core/unique_fd.h"
#include "base/result.h"
#include "base/sha256.h"

namespace milonga {

class OutputPump {
 public:
  enum class Mode {
    live,    // the head is written as it comes
    at_end,  // nothing is written before finish()
  };

  // pipe: the read end, non-blocking. out: stays the caller's.
  OutputPump(UniqueFd pipe, int out, std::uint64_t limit, Mode mode);

  // Descriptors to wait for: to read (-1 after the end), to write (-1: nothing to write).
  [[nodiscard]] int reading() const { return pipe_.get(); }
  [[nodiscard]] int writing() const;

  // Reads what is there. Fails only if the pipe does.
  Result<> on_readable();
  // Writes a piece, so small that it does not block after POLLOUT. A reader that
  // is gone is remembered (write_error), not a failure: the job goes on.
  void on_writable();

  // The pipe has ended, or is given up: what is left is to be written, after `header`.
  void finish(std::string header);

  [[nodiscard]] const std::string& write_error() const { return write_error_; }
  [[nodiscard]] std::uint64_t total() const { return cap_.total(); }
  [[nodiscard]] std::uint64_t kept() const { return cap_.kept(); }
  [[nodiscard]] std::string sha256() { return hash_.hex(); }  // of all that the job wrote; once, at the end
  [[nodiscard]] bool overflown() const { return cap_.overflown(); }  // more was written than is kept

 private:
  [[nodiscard]] std::string_view next_piece() const;

  UniqueFd pipe_;
  int out_;
  Mode mode_;
  std::size_t largest_write_;
  OutputCap cap_;
  Sha256 hash_;  // of all that was read
  std::size_t written_head_ = 0;  // bytes of the head that are out (live)
  bool finished_ = false;
  std::string header_;
  std::deque<std::string_view> pieces_;  // after finish()
  std::string write_error_;
};

}  // namespace milonga
