#include "images/ahead.h"

#include <algorithm>
#include <cstring>

namespace milonga::images {
namespace {

constexpr std::size_t kBlocks = 8, kBlockSize = std::size_t{512} << 10;

}  // namespace

AheadSource::AheadSource(Source& from) : from_(from), blocks_(kBlocks), thread_([this] { read_ahead(); }) {}

AheadSource::~AheadSource() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// False at the end, or at an error.
bool AheadSource::fill(Block& block) {
  block.bytes.resize(kBlockSize);
  block.size = 0;
  while (block.size < kBlockSize) {
    if (rest_.empty()) {
      const Result<std::string_view> bytes = from_.next();
      if (!bytes) error_ = tl::unexpected(bytes.error());
      if (!bytes || bytes->empty()) return false;
      rest_ = *bytes;
    }
    const std::size_t part = std::min(rest_.size(), kBlockSize - block.size);
    std::memcpy(block.bytes.data() + block.size, rest_.data(), part);
    block.size += part;
    rest_.remove_prefix(part);
  }
  return true;
}

void AheadSource::read_ahead() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopped_ || filled_ - taken_ < kBlocks; });
    if (stopped_) return;
    Block& block = blocks_[filled_ % kBlocks];
    lock.unlock();
    const bool more = fill(block);
    lock.lock();
    if (block.size > 0) ++filled_;
    ended_ = !more;
    lock.unlock();
    changed_.notify_all();
    if (!more) return;
  }
}

Result<std::string_view> AheadSource::next() {
  std::unique_lock lock(mutex_);
  if (holds_) {
    holds_ = false;
    ++taken_;
    changed_.notify_all();
  }
  changed_.wait(lock, [this] { return ended_ || filled_ != taken_; });
  if (filled_ == taken_) {
    if (!error_) return tl::unexpected(error_.error());
    return std::string_view();
  }
  holds_ = true;
  const Block& block = blocks_[taken_ % kBlocks];
  return std::string_view(block.bytes.data(), block.size);
}

Result<> AheadSource::drain() {
  while (!TRY(next()).empty()) continue;
  if (thread_.joinable()) thread_.join();
  return {};
}

}  // namespace milonga::images
