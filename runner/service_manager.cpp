#include "runner/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace milonga::runner {
namespace {

std::string take_variable(const char* name) {
  const char* value = ::secure_getenv(name);
  std::string text = value == nullptr ? "" : value;
  (void)::unsetenv(name);
  return text;
}

std::int64_t number(const std::string& text) {
  std::int64_t value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

ServiceManager::ServiceManager(EventLoop& loop) : loop_(loop), address_(take_variable("NOTIFY_SOCKET")) {
  const std::int64_t usec = number(take_variable("WATCHDOG_USEC")),
                     pid = number(take_variable("WATCHDOG_PID"));
  if (address_.size() < 2 || (address_[0] != '/' && address_[0] != '@') ||
      address_.size() >= sizeof(sockaddr_un::sun_path))
    address_.clear();
  if (address_.empty()) return;
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (usec > 0 && (pid == 0 || pid == ::getpid()))
    period_ = std::chrono::milliseconds(std::max<std::int64_t>(1, usec / 2000));
}

ServiceManager::~ServiceManager() {
  loop_.cancel(timer_);
}

void ServiceManager::notify(std::string_view state) const {
  if (!socket_.valid()) return;
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, address_.data(), address_.size());
  if (address_[0] == '@') un.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  (void)::sendto(socket_.get(), state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&un), size);
}

void ServiceManager::begin_watchdog() {
  if (period_.count() > 0) beat();
}

void ServiceManager::beat() {
  notify("WATCHDOG=1");
  timer_ = loop_.after(period_, [this] { beat(); });
}

}  // namespace milonga::runner
