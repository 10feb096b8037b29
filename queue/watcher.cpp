#include "queue/watcher.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

namespace milonga::queue {

Result<Watcher> Watcher::create() {
  Watcher w;
  w.inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  w.timer_.reset(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  w.epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!w.inotify_.valid()) return fail_errno("watch the spool", "", errno == EMFILE ? "raise fs.inotify.max_user_instances" : "");
  if (!w.timer_.valid() || !w.epoll_.valid()) return fail_errno("watch the spool", "");
  for (const int fd : {w.inotify_.get(), w.timer_.get()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(w.epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("watch the spool", "");
  }
  return w;
}

Result<void> Watcher::add(const std::string& absolute_path, const std::string& key) {
  const int watch = ::inotify_add_watch(inotify_.get(), absolute_path.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW);
  if (watch < 0) return fail_errno("watch", absolute_path, errno == ENOSPC ? "raise fs.inotify.max_user_watches" : "");
  keys_[watch] = key;
  return {};
}

Result<void> Watcher::wake_at(std::int64_t unix_ms) {
  itimerspec when{};
  when.it_value.tv_sec = unix_ms / 1000;
  when.it_value.tv_nsec = unix_ms % 1000 * 1'000'000;
  if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) != 0) return fail_errno("set a timer", "");
  return {};
}

Watcher::News Watcher::take() {
  News news;
  std::uint64_t expirations = 0;
  (void)!::read(timer_.get(), &expirations, sizeof expirations);
  alignas(inotify_event) char buffer[16 * 1024];
  for (;;) {
    const ssize_t n = ::read(inotify_.get(), buffer, sizeof buffer);
    if (n <= 0) return news;
    for (const char* at = buffer; at < buffer + n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof *event + event->len;
      if ((event->mask & IN_Q_OVERFLOW) != 0) news.overflow = true;
      if ((event->mask & IN_IGNORED) != 0) keys_.erase(event->wd);
      if (const auto key = keys_.find(event->wd); key != keys_.end() && event->len > 0)
        news.names.emplace_back(key->second, event->name);
    }
  }
}

}  // namespace milonga::queue
