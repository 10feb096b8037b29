// HTTP/1.1 for a Service (http.h): one thread waits for all sockets, workers do
// what may block. Everything that a client can hold us with has a bound: size of
// the head, time to send it, pace of the body, time to take the answer, number
// of connections; a body is never in memory unless its Plan says so.
//
// Built on Boost.Beast: bodies are read as they come, and nothing is said to
// "Expect: 100-continue" before the request's head was accepted.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "rest/http.h"

namespace milonga::rest {

struct ServerLimits {
  std::size_t threads = 8;
  std::size_t connections = 10'000;
  std::uint32_t head_bytes = 16 * 1024;
  std::chrono::seconds head_time{
      20};  // from the first moment to the end of a request's head; idle time as well
  std::chrono::seconds quiet_time{30};  // between two pieces of a body
  std::uint64_t slowest = 16 * 1024;    // bytes/s that a body must have, beyond quiet_time, and its taker too
  std::uint64_t drained = 16ull << 20;  // of a body that is not wanted, so much is read for politeness
  std::chrono::seconds grace{5};        // for requests under way when the server is told to stop
};

class Server {
 public:
  Server(Service& service, ServerLimits limits);
  ~Server();

  // Fails if the address cannot be had. Port 0: any free one, see port().
  Result<void> listen(const std::string& address, std::uint16_t port);
  [[nodiscard]] std::uint16_t port() const;
  // Serves until SIGTERM or SIGINT, then lets the requests under way end.
  void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace milonga::rest
