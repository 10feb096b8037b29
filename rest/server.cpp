#include "rest/server.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <csignal>
#include <ctime>
#include <set>

#include "base/log.h"

namespace milonga::rest {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPiece = 128 * 1024;     // bytes of a body read at once
constexpr std::size_t kFirstPiece = 4 * 1024;  // and at first: who sends nothing holds no more

// Errors come as values: co_await stream.async_x(..., caught(error)).
auto caught(error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

std::optional<std::string> header(const http::fields& fields, std::string_view name) {
  const auto found = fields.find({name.data(), name.size()});
  return found == fields.end() ? std::nullopt : std::optional(std::string(found->value()));
}

RequestHead head_of(const http::request_header<>& message) {
  RequestHead head;
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  head.filename = header(message, "Filename");
  head.image_name = header(message, "imageName");
  head.if_none_match = header(message, "If-None-Match").value_or("");
  return head;
}

// RFC 9110, 5.6.7: "Mon, 23 Nov 2026 06:05:03 GMT"
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[64];
  (void)std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return text;
}

// What a request that HTTP itself forbids gets, before its connection is closed.
unsigned status_of(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::bad_version) return 505;
  return 400;
}

bool is_of_http(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_target).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

}  // namespace

Reply error_page(unsigned status) {
  Reply reply;
  reply.status = status;
  reply.content_type = "text/html; charset=UTF-8";
  const std::string text =
      fmt::format("{}: {}", status, std::string(http::obsolete_reason(http::int_to_status(status))));
  reply.body = fmt::format("<html><title>{0}</title><body>{0}</body></html>", text);
  return reply;
}

struct Server::Impl {
  Service& service;
  ServerLimits limits;
  asio::io_context io{1};
  asio::thread_pool workers;
  tcp::acceptor acceptor{io};
  asio::signal_set signals{io};
  asio::steady_timer grace{io};
  std::set<beast::tcp_stream*> idle;  // waiting for a request: closed when we stop
  std::size_t connections = 0;
  bool stopping = false;

  Impl(Service& s, ServerLimits l) : service(s), limits(l), workers(l.threads) {}

  // Runs f on a worker; the network thread goes on with others meanwhile.
  template <class F>
  asio::awaitable<std::invoke_result_t<F>> on_worker(F f) {
    auto work = [](F call) -> asio::awaitable<std::invoke_result_t<F>> { co_return call(); };
    co_return co_await asio::co_spawn(workers, work(std::move(f)), asio::use_awaitable);
  }

  asio::awaitable<void> accept_all();
  asio::awaitable<void> serve(tcp::socket socket);
  asio::awaitable<void> stop_when_told();
  void stop();

  // One connection and the request that it is at.
  struct Connection {
    beast::tcp_stream stream;
    beast::flat_buffer buffer;
    std::string peer;
    explicit Connection(tcp::socket socket) : stream(std::move(socket)) {}
  };
  using Parser = http::request_parser<http::buffer_body>;
  enum class Body { whole, too_long, failed, gone };

  asio::awaitable<bool> one_request(Connection& c);
  asio::awaitable<Body> read_body(Connection& c, Parser& parser, Plan& plan, std::string& body,
                                  std::optional<Reply>& reply);
  asio::awaitable<bool> drain(Connection& c, Parser& parser);
  asio::awaitable<bool> send(Connection& c, Reply reply, unsigned version, bool keep_alive);
  asio::awaitable<void> linger(Connection& c);
};

// Reads one request and answers it; false: the connection is over.
asio::awaitable<bool> Server::Impl::one_request(Connection& c) {
  Parser parser;
  parser.header_limit(limits.head_bytes);
  parser.body_limit(boost::none);  // each Plan has its own
  error_code error;
  c.stream.expires_after(limits.head_time);
  idle.insert(&c.stream);
  co_await http::async_read_header(c.stream, c.buffer, parser, caught(error));
  idle.erase(&c.stream);
  if (error) {
    if (!is_of_http(error)) co_return false;  // closed, reset, too slow
    log(Level::info, fmt::format("{} - {}: {}", c.peer, status_of(error), error.message()));
    if (co_await send(c, error_page(status_of(error)), 11, false)) co_await linger(c);
    co_return false;
  }
  const auto begin = Clock::now();
  const unsigned version = parser.get().version();
  const RequestHead head = head_of(parser.get());
  Plan plan = co_await on_worker([&] { return service.begin(head); });
  std::optional<Reply> reply = std::move(plan.reply);
  if (const auto length = parser.content_length();
      !reply && length && *length > plan.most_bytes && !parser.is_done())
    reply = error_page(413);
  bool expects = beast::iequals(header(parser.get(), "Expect").value_or(""), "100-continue");
  bool keep_alive = parser.get().keep_alive() && !stopping;
  if (!reply) {
    if (expects && version >= 11 && !parser.is_done()) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(c.stream, asio::buffer(kContinue), caught(error));
      if (error) co_return false;
      expects = false;
    }
    std::string body;
    const Body end = co_await read_body(c, parser, plan, body, reply);
    if (end == Body::gone) co_return false;
    if (end == Body::whole) reply = co_await on_worker([&] { return plan.finish(std::move(body)); });
  }
  plan.sink.reset();
  // A client that sends and does not listen gets its answer if what it still has is not too much.
  const bool rest_read = parser.is_done() || (!expects && co_await drain(c, parser));
  keep_alive = keep_alive && rest_read && reply->status < 500 && reply->status != 413;
  if (!reply->etag.empty() && reply->status == 200 &&
      head.if_none_match.find(reply->etag) != std::string::npos) {
    reply->status = 304;
    reply->body.clear();
    reply->file.reset();
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
  log(Level::info, fmt::format("{} {} {} {} ms{}{}", c.peer, plan.call.empty() ? "-" : plan.call,
                               reply->status, took, reply->note.empty() ? "" : ": ", reply->note));
  const bool sent = co_await send(c, std::move(*reply), version, keep_alive);
  if (sent && !keep_alive) co_await linger(c);
  co_return sent&& keep_alive;
}

// Piece by piece to the plan's sink or into `body`. On any end but `whole`, `reply` says what went wrong.
asio::awaitable<Server::Impl::Body> Server::Impl::read_body(Connection& c, Parser& parser, Plan& plan,
                                                            std::string& body, std::optional<Reply>& reply) {
  std::vector<char> piece(parser.is_done() ? 0 : kFirstPiece);
  const auto begin = Clock::now();
  std::uint64_t received = 0;
  bool full = false;
  while (!parser.is_done()) {
    if (full) piece.resize(std::min(4 * piece.size(), kPiece));
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    const auto pace = limits.quiet_time + std::chrono::seconds(received / limits.slowest);
    c.stream.expires_at(std::min(Clock::now() + limits.quiet_time, begin + pace));
    error_code error;
    co_await http::async_read(c.stream, c.buffer, parser, caught(error));
    if (error == http::error::need_buffer) error = {};
    if (error && is_of_http(error)) {
      (void)co_await send(c, error_page(status_of(error)), 11, false);
      co_return Body::gone;
    }
    if (error) co_return Body::gone;
    const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
    received += got.size();
    full = got.size() == piece.size();
    if (received > plan.most_bytes) {
      reply = error_page(413);
      co_return Body::too_long;
    }
    if (plan.sink == nullptr) {
      body.append(got);
      continue;
    }
    const auto taken = co_await on_worker([&] { return plan.sink->take(got); });
    if (!taken) {
      reply = plan.sink_failed ? plan.sink_failed(taken.error()) : error_page(500);
      co_return Body::failed;
    }
  }
  co_return Body::whole;
}

// Reads what is left of a body, within limits.drained. False: there is more.
asio::awaitable<bool> Server::Impl::drain(Connection& c, Parser& parser) {
  if (const auto left = parser.content_length_remaining(); left && *left > limits.drained) co_return false;
  Plan nowhere;
  nowhere.most_bytes = limits.drained;
  struct Nowhere : BodySink {
    Result<void> take(std::string_view) override { return {}; }
  };
  nowhere.sink = std::make_unique<Nowhere>();
  std::string none;
  std::optional<Reply> unused;
  co_return co_await read_body(c, parser, nowhere, none, unused) == Body::whole;
}

asio::awaitable<bool> Server::Impl::send(Connection& c, Reply reply, unsigned version, bool keep_alive) {
  const std::uint64_t size = reply.file.valid() ? reply.size : reply.body.size();
  c.stream.expires_after(limits.quiet_time + std::chrono::seconds(size / limits.slowest));
  error_code error;
  const auto finish = [&](auto& message) {
    message.set(http::field::server, "milonga-rest");
    message.set(http::field::date, http_date());
    if (!reply.content_type.empty()) message.set(http::field::content_type, reply.content_type);
    if (!reply.etag.empty()) message.set(http::field::etag, reply.etag);
    message.keep_alive(keep_alive);
  };
  if (reply.file.valid()) {
    http::response<http::file_body> message(http::int_to_status(reply.status), version);
    beast::file_posix file;
    file.native_handle(reply.file.release());
    message.body().reset(std::move(file), error);
    if (error) co_return false;
    finish(message);
    message.prepare_payload();
    co_await http::async_write(c.stream, message, caught(error));
  } else {
    http::response<http::string_body> message(http::int_to_status(reply.status), version,
                                              std::move(reply.body));
    finish(message);
    if (reply.status != 304) message.prepare_payload();
    co_await http::async_write(c.stream, message, caught(error));
  }
  co_return !error;
}

// Closes such that the answer arrives though the client still sends: a close with
// unread bytes would be a reset, which may overtake it.
asio::awaitable<void> Server::Impl::linger(Connection& c) {
  error_code error;
  c.stream.socket().shutdown(tcp::socket::shutdown_send, error);
  std::vector<char> piece(kPiece);
  c.stream.expires_after(std::chrono::seconds(2));
  while (!error) co_await c.stream.async_read_some(asio::buffer(piece), caught(error));
}

asio::awaitable<void> Server::Impl::serve(tcp::socket socket) {
  Connection c(std::move(socket));
  error_code error;
  const auto peer = c.stream.socket().remote_endpoint(error);
  c.peer = error ? "?" : peer.address().to_string();
  c.stream.socket().set_option(tcp::no_delay(true), error);
  while (!stopping && co_await one_request(c)) {
  }
  c.stream.socket().close(error);
}

asio::awaitable<void> Server::Impl::accept_all() {
  while (!stopping) {
    error_code error;
    tcp::socket socket = co_await acceptor.async_accept(caught(error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // no descriptor, no memory: wait for one to come free
      asio::steady_timer pause(io, std::chrono::milliseconds(100));
      co_await pause.async_wait(caught(error));
      continue;
    }
    if (connections >= limits.connections) continue;  // closed again
    ++connections;
    asio::co_spawn(io, serve(std::move(socket)), [this](const std::exception_ptr& failure) {
      --connections;
      try {
        if (failure) std::rethrow_exception(failure);
      } catch (const std::exception&
                   e) {  // of a library, such as bad_alloc: this connection is lost, others are not
        log(Level::error, fmt::format("a connection failed: {}", e.what()));
      }
      if (stopping && connections == 0) io.stop();
    });
  }
}

void Server::Impl::stop() {
  stopping = true;
  error_code error;
  acceptor.close(error);
  for (beast::tcp_stream* stream : idle) stream->cancel();
  if (connections == 0) return io.stop();
  log(Level::info,
      fmt::format("stopping: {} connections get {} s to end", connections, limits.grace.count()));
  grace.expires_after(limits.grace);
  grace.async_wait([this](const error_code&) { io.stop(); });
}

asio::awaitable<void> Server::Impl::stop_when_told() {
  error_code error;
  co_await signals.async_wait(caught(error));
  stop();
  co_await signals.async_wait(caught(error));  // a second one does not wait for anything
  io.stop();
}

Server::Server(Service& service, ServerLimits limits) : impl_(std::make_unique<Impl>(service, limits)) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
  }
}

Server::~Server() {
  impl_->workers.join();  // a submit under way ends
}

Result<void> Server::listen(const std::string& address, std::uint16_t port) {
  const std::string shown = fmt::format("{}:{}", address, port);
  error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error) return fail(fmt::format("'{}' is not an address", address), "such as 127.0.0.1 or ::");
  const tcp::endpoint endpoint(parsed, port);
  auto& acceptor = impl_->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && parsed.is_v6()) acceptor.set_option(asio::ip::v6_only(false), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) impl_->signals.add(SIGTERM, error);
  if (!error) impl_->signals.add(SIGINT, error);
  if (error) return fail_errno("listen on", shown, "name another with --listen", error.value());
  return {};
}

std::uint16_t Server::port() const {
  error_code error;
  return impl_->acceptor.local_endpoint(error).port();
}

void Server::run() {
  asio::co_spawn(impl_->io, impl_->accept_all(), asio::detached);
  asio::co_spawn(impl_->io, impl_->stop_when_told(), asio::detached);
  impl_->io.run();
}

}  // namespace milonga::rest
