#include "autodriver/output_pump.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace milonga {
namespace {

// A pipe that polls writable takes at least PIPE_BUF bytes without blocking;
// regular files never poll otherwise.
std::size_t largest_write(int fd) {
  struct stat st {};
  const bool file = ::fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  return file ? 1 << 20 : PIPE_BUF;
}

}  // namespace

OutputPump::OutputPump(UniqueFd pipe, int out, std::uint64_t limit, Mode mode)
    : pipe_(std::move(pipe)), out_(out), mode_(mode), largest_write_(largest_write(out)), cap_(limit) {}

std::string_view OutputPump::next_piece() const {
  if (finished_) return pieces_.empty() ? std::string_view{} : pieces_.front();
  return mode_ == Mode::live ? cap_.head().substr(written_head_) : std::string_view{};
}

int OutputPump::writing() const {
  return write_error_.empty() && !next_piece().empty() ? out_ : -1;
}

Result<> OutputPump::on_readable() {
  char buffer[64 * 1024];
  const ssize_t n = ::read(pipe_.get(), buffer, sizeof buffer);
  if (n > 0) {
    cap_.append({buffer, static_cast<std::size_t>(n)});
    hash_.add({buffer, static_cast<std::size_t>(n)});
  } else if (n == 0) {
    pipe_.reset();
  } else if (errno != EAGAIN && errno != EINTR) {
    return fail_errno("read the job's output", "");
  }
  return {};
}

void OutputPump::on_writable() {
  const std::string_view piece = next_piece().substr(0, largest_write_);
  const ssize_t n = ::write(out_, piece.data(), piece.size());
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) write_error_ = fail_errno("write the output", "").value().line();
    return;
  }
  const auto written = static_cast<std::size_t>(n);
  if (!finished_) {
    written_head_ += written;
    return;
  }
  pieces_.front().remove_prefix(written);
  while (!pieces_.empty() && pieces_.front().empty()) pieces_.pop_front();
}

void OutputPump::finish(std::string header) {
  pipe_.reset();
  finished_ = true;
  header_ = std::move(header);
  pieces_ = {header_, cap_.head().substr(written_head_)};
  for (const std::string_view piece : cap_.rest()) pieces_.push_back(piece);
  while (!pieces_.empty() && pieces_.front().empty()) pieces_.pop_front();
}

}  // namespace milonga
