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
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "rest/http.h"
#include "rest/listener.h"

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
  std::chrono::seconds beat{15};        // a feed without news says at least so often that it is there
  std::chrono::seconds grace{5};        // for requests under way when the server is told to stop
};

class Server {
 public:
  Server(Service& service, ServerLimits limits);
  ~Server();

  // One or more, before run().
  Result<void> listen(Listener listener);
  // PEM files; for listeners with `tls`. May be called again while it runs: new
  // connections get the new certificate. Fails, and changes nothing, if they are unfit.
  Result<void> use_tls(const std::string& certificates, const std::string& key);
  // What SIGHUP does; nothing at first.
  void on_hangup(std::function<void()> call);
  // Serves until SIGTERM or SIGINT, then lets the requests under way end.
  void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace milonga::rest
