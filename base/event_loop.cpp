#include "base/event_loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

namespace milonga {

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  auto loop = std::make_unique<EventLoop>();
  loop->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  loop->timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!loop->epoll_.valid() || !loop->timer_.valid()) return fail_errno("create an event loop", "");
  EventLoop* self = loop.get();
  TRY(self->when_readable(self->timer_.get(), [self] {
    std::uint64_t expirations = 0;
    (void)!::read(self->timer_.get(), &expirations, sizeof expirations);
    self->run_timers();
  }));
  return loop;
}

Result<void> EventLoop::when_readable(int fd, Callback callback) {
  return when_ready(fd, true, false, std::move(callback));
}

Result<void> EventLoop::when_ready(int fd, bool readable, bool writable, Callback callback) {
  const std::uint32_t registration = next_registration_++;
  epoll_event event{};
  event.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
  event.data.u64 = std::uint64_t{registration} << 32 | static_cast<std::uint32_t>(fd);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("watch a descriptor", "");
  readers_[fd] = {registration, std::make_shared<Callback>(std::move(callback))};
  return {};
}

void EventLoop::forget(int fd) {
  if (readers_.erase(fd) > 0) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

EventLoop::TimerId EventLoop::after(std::chrono::milliseconds delay, Callback callback) {
  const TimerId id = next_timer_++;
  const Clock::time_point when = Clock::now() + delay;
  timers_.emplace(std::pair{when, id}, std::move(callback));
  timer_times_.emplace(id, when);
  arm();
  return id;
}

void EventLoop::cancel(TimerId timer) {
  const auto found = timer_times_.find(timer);
  if (found == timer_times_.end()) return;
  timers_.erase({found->second, timer});
  timer_times_.erase(found);
  arm();
}

void EventLoop::post(Callback callback) {
  posted_.push_back(std::move(callback));
}

// One timerfd, set to the earliest; disarmed when there is none.
void EventLoop::arm() {
  itimerspec when{};
  if (!timers_.empty()) {
    using namespace std::chrono;
    const auto left = duration_cast<nanoseconds>(timers_.begin()->first.first - Clock::now()).count();
    const auto ns = left > 0 ? left : 1;  // 0 would disarm
    when.it_value.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(ns % 1'000'000'000);
  }
  (void)::timerfd_settime(timer_.get(), 0, &when, nullptr);  // cannot fail with values in range
}

void EventLoop::run_timers() {
  const Clock::time_point now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto first = timers_.extract(timers_.begin());
    timer_times_.erase(first.key().second);
    first.mapped()();
  }
  arm();
}

void EventLoop::run_posted() {
  while (running_ && !posted_.empty()) {
    Callback callback = std::move(posted_.front());
    posted_.pop_front();
    callback();
  }
}

Result<void> EventLoop::run() {
  running_ = true;
  run_posted();
  while (running_) {
    epoll_event events[32];
    const int n = ::epoll_wait(epoll_.get(), events, 32, -1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("wait for events", "");
    ++wakeups_;
    for (int i = 0; i < n && running_; ++i) {
      const auto reader = readers_.find(static_cast<int>(events[i].data.u64 & 0xffffffff));
      // Forgotten by a callback of this round; its number may be in use again, by
      // a descriptor that is not readable: a read from it would block the loop.
      if (reader == readers_.end() || reader->second.registration != events[i].data.u64 >> 32) continue;
      const std::shared_ptr<Callback> callback = reader->second.callback;  // it may forget itself
      (*callback)();
      run_posted();
    }
  }
  return {};
}

}  // namespace milonga
