// Reads ahead: what a source costs (reading, unpacking, hashing) is done on a thread of
// its own while the consumer makes files of what came before.
//
// Privilege: none.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "images/stream.h"

namespace milonga::images {

class AheadSource : public Source {
 public:
  // Nobody else uses `from` until drain() has come back, or this is gone.
  explicit AheadSource(Source& from);
  ~AheadSource() override;
  AheadSource(const AheadSource&) = delete;
  AheadSource& operator=(const AheadSource&) = delete;

  Result<std::string_view> next() override;
  // Reads what is left, and ends the thread.
  Result<> drain();

 private:
  struct Block {
    std::vector<char> bytes;
    std::size_t size = 0;
  };
  void read_ahead();
  bool fill(Block& block);

  Source& from_;
  std::vector<Block> blocks_;
  std::size_t filled_ = 0,
              taken_ = 0;  // counts of blocks; at the difference of blocks_.size() the reader waits
  bool holds_ = false;     // the consumer still looks at block taken_
  bool ended_ = false, stopped_ = false;
  Result<> error_;
  std::string_view rest_;  // of the source's last bytes, for the next block
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;  // last: it uses all of these
};

}  // namespace milonga::images
