// One thread, one epoll: descriptors, timers and posted calls. Nothing here
// polls; a loop without work sleeps until the kernel has news.
//
// Callbacks run on the thread that calls run(), and may add, remove and stop.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga {

class EventLoop {
 public:
  using Callback = std::function<void()>;
  using TimerId = std::uint64_t;

  static Result<std::unique_ptr<EventLoop>> create();

  // Calls back whenever `fd` is readable (or at its end), until forget(fd). The descriptor stays the
  // caller's.
  Result<void> when_readable(int fd, Callback callback);
  // The same for the given directions; one call per descriptor (forget() it to change them).
  Result<void> when_ready(int fd, bool readable, bool writable, Callback callback);
  void forget(int fd);

  // Calls back once, after that time by the monotonic clock, unless cancelled.
  TimerId after(std::chrono::milliseconds delay, Callback callback);
  void cancel(TimerId timer);

  // Calls back in the next round: never from inside the caller.
  void post(Callback callback);

  // Until stop(). Fails only if epoll itself does.
  Result<void> run();
  void stop() { running_ = false; }

  // How often run() has come back from sleep: what "no wake-ups when idle" is measured by.
  [[nodiscard]] std::uint64_t wakeups() const { return wakeups_; }

 private:
  using Clock = std::chrono::steady_clock;
  void arm();
  void run_timers();
  void run_posted();

  UniqueFd epoll_, timer_;
  struct Reader {
    std::uint32_t registration;  // tells a descriptor from an earlier one of the same number
    std::shared_ptr<Callback> callback;
  };
  std::map<int, Reader> readers_;  // and writers
  std::uint32_t next_registration_ = 0;
  std::map<std::pair<Clock::time_point, TimerId>, Callback> timers_;
  std::map<TimerId, Clock::time_point> timer_times_;
  std::deque<Callback> posted_;
  TimerId next_timer_ = 1;
  bool running_ = false;
  std::uint64_t wakeups_ = 0;
};

}  // namespace milonga
