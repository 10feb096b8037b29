// A small HTTP server on the daemon's event loop, for those who watch the daemon:
// GET of a few pages, on a unix socket or on a port of the loopback interface;
// nothing else listens. A client that is slow, silent or one of many costs a
// bounded buffer for a bounded time, and never a wait of the loop.
//
// Privilege: none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/result.h"

namespace milonga::runner {

struct StatusPage {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

class StatusServer {
 public:
  // The page of a path, as "/metrics"; what is not there has status 404.
  using Pages = std::function<StatusPage(std::string_view path)>;

  // `where`: "/path/of/a.socket" (mode 0660; one that nobody listens at any more is replaced),
  // or "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT"; port 0 is one of the kernel's choice.
  // Fails, naming it, on any other address and on what cannot be bound. `loop` must outlive it.
  static Result<std::unique_ptr<StatusServer>> listen(EventLoop& loop, const std::string& where, Pages pages);
  ~StatusServer();  // closes all connections; removes the socket

  [[nodiscard]] const std::string& address() const;  // as bound: "127.0.0.1:9187"

 private:
  StatusServer();
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace milonga::runner
