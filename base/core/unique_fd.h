// Owns one file descriptor and closes it once.
//
// Privilege: any (the privileged program uses it too: no allocation, no exceptions).
#pragma once

#include <unistd.h>

namespace milonga {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  // The descriptor, or -1. It stays owned here.
  [[nodiscard]] int get() const { return fd_; }
  // No conversion to bool: descriptor 0 is a valid one.
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  // Gives the descriptor up; the caller closes it.
  [[nodiscard]] int release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  // Closes what is held. The result of close(2) is not looked at: after EINTR
  // or EIO the descriptor is gone on Linux in any case, and what must be known
  // to be on disk has been fsynced before.
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace milonga
