#include "autodriver/input_sender.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace milonga {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;

Unexpected changed(const std::string& path) {
  return fail("'" + path + "' was changed while it was read",
              "run again when nobody writes to the directory");
}

}  // namespace

InputSender::InputSender(UniqueFd directory, std::vector<InputEntry> entries, UniqueFd pipe)
    : directory_(std::move(directory)), entries_(std::move(entries)), pipe_(std::move(pipe)) {}

void InputSender::put_header(const InputEntry& entry, std::uint64_t size) {
  InputHeader header;
  header.kind = entry.kind;
  header.mode = entry.mode;
  header.name_size = static_cast<std::uint32_t>(entry.path.size());
  header.size = size;
  buffer_.append(reinterpret_cast<const char*>(&header), sizeof header);
  buffer_ += entry.path;
}

Result<> InputSender::start_entry(const InputEntry& entry) {
  if (entry.kind == InputKind::file) {
    // O_NONBLOCK: it could have become a FIFO since.
    file_ = TRY(open_beneath(directory_.get(), entry.path, O_RDONLY | O_NONBLOCK));
    struct stat st {};
    if (::fstat(file_.get(), &st) != 0) return fail_errno("look at", entry.path);
    if (!S_ISREG(st.st_mode) || static_cast<std::uint64_t>(st.st_size) != entry.size)
      return changed(entry.path);
    left_ = entry.size;
    put_header(entry, entry.size);
  } else if (entry.kind == InputKind::symlink) {
    char target[kMaxInputName + 1];
    const UniqueFd link = TRY(open_beneath(directory_.get(), entry.path, O_PATH));
    const ssize_t n = ::readlinkat(link.get(), "", target, sizeof target);
    if (n < 0) return fail_errno("read", entry.path);
    if (n > static_cast<ssize_t>(kMaxInputName))
      return fail("the target of '" + entry.path + "' is too long");
    put_header(entry, static_cast<std::uint64_t>(n));
    buffer_.append(target, static_cast<std::size_t>(n));
  } else {
    put_header(entry, 0);
  }
  return {};
}

// Refills the empty buffer; leaves it empty when everything has been sent.
Result<> InputSender::fill() {
  buffer_.clear();
  written_ = 0;
  while (buffer_.size() < kBuffer) {
    if (left_ > 0) {
      const std::size_t before = buffer_.size();
      buffer_.resize(before + static_cast<std::size_t>(std::min<std::uint64_t>(left_, kBuffer)));
      const ssize_t n = ::read(file_.get(), buffer_.data() + before, buffer_.size() - before);
      if (n < 0) return fail_errno("read", entries_[next_ - 1].path);
      if (n == 0) return changed(entries_[next_ - 1].path);
      buffer_.resize(before + static_cast<std::size_t>(n));
      left_ -= static_cast<std::uint64_t>(n);
    } else if (next_ < entries_.size()) {
      TRY(start_entry(entries_[next_++]));
    } else if (!ended_) {
      put_header({"", InputKind::end, 0, 0}, 0);
      ended_ = true;
    } else {
      break;
    }
  }
  return {};
}

Result<> InputSender::on_writable() {
  if (written_ == buffer_.size()) {
    if (const Result<> filled = fill(); !filled) {
      pipe_.reset();
      return filled;
    }
  }
  const ssize_t n = ::write(pipe_.get(), buffer_.data() + written_, buffer_.size() - written_);
  if (n >= 0) written_ += static_cast<std::size_t>(n);
  // A reader that is gone (EPIPE) has its reason: the core reports it.
  const bool gone = n < 0 && errno != EAGAIN && errno != EINTR;
  if (gone || (ended_ && written_ == buffer_.size())) pipe_.reset();
  return {};
}

}  // namespace milonga
