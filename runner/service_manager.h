// What a service tells the one who started it, as sd_notify(3) has it: a datagram
// to the socket that NOTIFY_SOCKET names, and a sign of life at least as often as
// WATCHDOG_USEC asks for. The protocol is stable and thirty lines; libsystemd
// would bring its decompression libraries into the daemon.
//
// Without such a socket all of this does nothing.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/core/unique_fd.h"
#include "base/event_loop.h"

namespace milonga::runner {

class ServiceManager {
 public:
  // Takes its variables out of the environment: they are not for our children.
  explicit ServiceManager(EventLoop& loop);
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  // "READY=1", "STOPPING=1", "STATUS=..."; what cannot be sent is lost: nobody must hang on a supervisor.
  void notify(std::string_view state) const;
  // From now on a sign of life comes from the loop, at half the time that the supervisor waits for one.
  void begin_watchdog();

 private:
  void beat();

  EventLoop& loop_;
  std::string address_;  // of the socket; '@' at the beginning: abstract (unix(7))
  UniqueFd socket_;
  std::chrono::milliseconds period_{0};  // 0: nobody waits
  EventLoop::TimerId timer_ = 0;
};

}  // namespace milonga::runner
