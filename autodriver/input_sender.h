// Writes the job's files as a stream (sandbox/model/input_stream.h) into the
// pipe that a process inside the box unpacks. Never blocks.
//
// Privilege: none; files are read with the caller's rights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autodriver/input_list.h"
#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga {

class InputSender {
 public:
  // pipe: the write end, non-blocking.
  InputSender(UniqueFd directory, std::vector<InputEntry> entries, UniqueFd pipe);
  InputSender() = default;  // nothing to send

  // Descriptor to wait for; -1: all is sent, or nobody reads any more.
  [[nodiscard]] int writing() const { return pipe_.get(); }

  // Sends what the pipe takes. Fails if a file cannot be read, or is not any
  // more what it was when it was listed; the stream is then torn, and refused
  // by its reader.
  Result<> on_writable();

 private:
  Result<> fill();
  Result<> start_entry(const InputEntry& entry);
  void put_header(const InputEntry& entry, std::uint64_t size);

  UniqueFd directory_;
  std::vector<InputEntry> entries_;
  UniqueFd pipe_;
  std::size_t next_ = 0;     // the entry to start next
  bool ended_ = false;       // the end header is in the buffer
  UniqueFd file_;            // being sent
  std::uint64_t left_ = 0;   // bytes of it
  std::string buffer_;       // to be written
  std::size_t written_ = 0;  // of the buffer
};

}  // namespace milonga
