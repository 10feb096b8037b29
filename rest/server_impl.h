// What server.cpp (connections come and go) and session.cpp (one connection's
// requests) share. Nobody else includes this: it brings all of Beast.
//
// Privilege: none.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <set>

#include "rest/server.h"
#include "rest/stream.h"

namespace milonga::rest {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

// Errors come as values: co_await stream.async_x(..., caught(error)).
inline auto caught(error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

struct Server::Impl {
  Service& service;
  ServerLimits limits;
  asio::io_context io{1};
  asio::thread_pool workers;
  struct Door {
    Listener listener;  // whose socket the acceptor has a copy of
    asio::basic_socket_acceptor<Stream::Protocol> acceptor;
  };
  std::vector<std::unique_ptr<Door>> doors;
  std::shared_ptr<asio::ssl::context> tls;  // of connections from now on
  asio::signal_set signals{io};
  asio::steady_timer grace{io};
  std::set<Stream*> idle;                           // waiting for a request: closed when we stop
  std::set<asio::posix::stream_descriptor*> feeds;  // waiting for news: ended when we stop
  std::function<void()> hangup;                     // on SIGHUP
  std::size_t connections = 0;
  bool stopping = false;

  Impl(Service& s, ServerLimits l) : service(s), limits(l), workers(l.threads) {}

  // Runs f on a worker; the network thread goes on with others meanwhile.
  template <class F>
  asio::awaitable<std::invoke_result_t<F>> on_worker(F f) {
    auto work = [](F call) -> asio::awaitable<std::invoke_result_t<F>> { co_return call(); };
    co_return co_await asio::co_spawn(workers, work(std::move(f)), asio::use_awaitable);
  }

  asio::awaitable<void> accept_all(Door& door);
  asio::awaitable<void> serve(Stream::Protocol::socket socket, bool by_tls);
  asio::awaitable<void> stop_when_told();
  void stop();

  // One connection and the request that it is at.
  struct Connection {
    Stream stream;
    beast::flat_buffer buffer;
    std::string peer;
    Connection(Stream::Protocol::socket socket, std::shared_ptr<asio::ssl::context> tls)
        : stream(std::move(socket), std::move(tls)) {}
    void allow(Clock::duration time) { stream.plain().expires_after(time); }
  };
  using Parser = http::request_parser<http::buffer_body>;
  enum class Body { whole, too_long, failed, gone };

  asio::awaitable<bool> one_request(Connection& c);
  asio::awaitable<Body> read_body(Connection& c, Parser& parser, Plan& plan, std::string& body,
                                  std::optional<Reply>& reply);
  asio::awaitable<bool> drain(Connection& c, Parser& parser);
  asio::awaitable<bool> send(Connection& c, Reply reply, unsigned version, bool keep_alive);
  asio::awaitable<void> send_feed(Connection& c, Reply reply, unsigned version);
  asio::awaitable<bool> news_or_time(asio::posix::stream_descriptor& news);
  asio::awaitable<void> linger(Connection& c);
};

}  // namespace milonga::rest
