// HTTP for the daemon, on its event loop: the Engine API over a unix socket,
// callbacks over TCP and TLS. libcurl's multi interface does all the work
// (libcurl-multi(3), "multi_socket"); nothing here blocks but the name service,
// which libcurl asks in a thread of its own.
//
// Redirects are never followed: where a request goes, its sender has decided.
//
// Privilege: none.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"

namespace milonga::runner {

struct HttpRequest {
  std::string method = "GET";
  std::string url;                   // http:// or https://
  std::string unix_socket;           // the server's path; empty: the host in the URL
  std::vector<std::string> headers;  // "Name: value"
  std::string body;                  // sent with its length, unless `read_body` is set
  // Sends a body of unknown length, piece by piece: fills at most `size` bytes,
  // returns how many, 0 at the end. Must not block for long. An error ends the request with it.
  std::function<Result<std::size_t>(char* to, std::size_t size)> read_body;
  // Called when the reply's head is there, before its body, from inside libcurl: it must not
  // call the client, but may post what does.
  std::function<void(long status)> on_head;
  // Takes the reply's body piece by piece, if its status is 2xx; HttpReply::body then
  // stays empty. An error ends the request with it.
  std::function<Result<void>(std::string_view piece)> on_body;
  std::size_t body_limit = 1 << 20;  // bytes of a reply that is kept in HttpReply::body; more is an error
  std::chrono::milliseconds deadline{60'000};  // for the whole exchange; must be > 0
  bool insecure = false;                       // true: any TLS certificate will do
  // Asked before each connection; false: the address is not connected to. Empty: all may be.
  std::function<bool(const sockaddr& address)> may_connect;
};

struct HttpReply {
  long status = 0;  // 100..599, whatever it is: only a broken exchange is an Error
  std::string content_type;
  std::string body;

  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

class HttpClient {
 public:
  using Id = std::uint64_t;
  using Done = std::function<void(Result<HttpReply>)>;

  // `loop` must outlive the client. Fails if libcurl cannot be set up.
  static Result<std::unique_ptr<HttpClient>> create(EventLoop& loop);
  ~HttpClient();  // what is under way is broken off, its `done` never called

  // Calls `done` once, from the loop, never from inside send(). Its Error begins with
  // "deadline" if the time was over, with "cancelled" after cancel().
  Id send(HttpRequest request, Done done);
  void cancel(Id id);  // nothing happens if it has ended

  [[nodiscard]] std::size_t under_way() const;

 private:
  HttpClient();
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace milonga::runner
