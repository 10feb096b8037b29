// One connection: its requests, one after the other, read and answered.
#include <fcntl.h>
#include <fmt/format.h>

#include <ctime>

#include "base/log.h"
#include "rest/request_head.h"
#include "rest/server_impl.h"

namespace milonga::rest {
namespace {

constexpr std::size_t kPiece = 128 * 1024;     // bytes of a body read at once
constexpr std::size_t kFirstPiece = 4 * 1024;  // and at first: who sends nothing holds no more

// RFC 9110, 5.6.7: "Mon, 23 Nov 2026 06:05:03 GMT"
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[64];
  (void)std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return text;
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

// Reads one request and answers it; false: the connection is over.
asio::awaitable<bool> Server::Impl::one_request(Connection& c) {
  Parser parser;
  parser.header_limit(limits.head_bytes);
  parser.body_limit(boost::none);  // each Plan has its own
  error_code error;
  c.allow(limits.head_time);
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
  const RequestHead head = head_of(parser.get(), c.peer);
  Plan plan = co_await on_worker([&] { return service.begin(head); });
  std::optional<Reply> reply = std::move(plan.reply);
  if (const auto length = parser.content_length();
      !reply && length && *length > plan.most_bytes && !parser.is_done())
    reply = error_page(413);
  bool expects = beast::iequals(std::string(parser.get()["Expect"]), "100-continue");
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
  if (reply->feed) {
    co_await send_feed(c, std::move(*reply), version);
    co_return false;
  }
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
    c.stream.plain().expires_at(std::min(Clock::now() + limits.quiet_time, begin + pace));
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

// What every answer has.
template <class Message>
void finish(Message& message, const Reply& reply, bool keep_alive) {
  message.set(http::field::server, "milonga-rest");
  message.set(http::field::date, http_date());
  if (!reply.content_type.empty()) message.set(http::field::content_type, reply.content_type);
  if (!reply.etag.empty()) message.set(http::field::etag, reply.etag);
  for (const auto& [name, value] : reply.headers) message.set(name, value);
  message.keep_alive(keep_alive);
}

asio::awaitable<bool> Server::Impl::send(Connection& c, Reply reply, unsigned version, bool keep_alive) {
  const std::uint64_t size = reply.file.valid() ? reply.size : reply.body.size();
  c.allow(limits.quiet_time + std::chrono::seconds(size / limits.slowest));
  error_code error;
  if (reply.file.valid()) {
    http::response<http::file_body> message(http::int_to_status(reply.status), version);
    beast::file_posix file;
    file.native_handle(reply.file.release());
    message.body().reset(std::move(file), error);
    if (error) co_return false;
    finish(message, reply, keep_alive);
    message.prepare_payload();
    co_await http::async_write(c.stream, message, caught(error));
  } else {
    http::response<http::string_body> message(http::int_to_status(reply.status), version);
    message.body() = std::move(reply.body);
    finish(message, reply, keep_alive);
    if (reply.status != 304) message.prepare_payload();
    co_await http::async_write(c.stream, message, caught(error));
  }
  co_return !error;
}

// False: nothing happened for so long that the client should hear that we are there.
asio::awaitable<bool> Server::Impl::news_or_time(asio::posix::stream_descriptor& news) {
  asio::steady_timer beat(io, limits.beat);
  const auto waited = std::make_shared<bool>(false);  // the timer may have gone off already
  beat.async_wait([&news, waited](const error_code& failed) {
    if (!failed && !*waited) news.cancel();
  });
  error_code error;
  feeds.insert(&news);
  co_await news.async_wait(asio::posix::stream_descriptor::wait_read, caught(error));
  feeds.erase(&news);
  *waited = true;
  co_return !error;
}

// Chunk by chunk, as there is news, until its end or the client's. The connection is over then.
asio::awaitable<void> Server::Impl::send_feed(Connection& c, Reply reply, unsigned version) {
  std::unique_ptr<Feed> feed = std::move(reply.feed);
  http::response<http::empty_body> head(http::int_to_status(reply.status), version);
  finish(head, reply, false);
  head.chunked(version >= 11);
  http::response_serializer<http::empty_body> serializer(head);
  asio::posix::stream_descriptor news(io, ::fcntl(feed->fd(), F_DUPFD_CLOEXEC, 0));
  error_code error;
  c.allow(limits.quiet_time);
  co_await http::async_write_header(c.stream, serializer, caught(error));
  for (bool end = false; !end && !error && !stopping;) {
    std::string piece = co_await on_worker([&] { return feed->next(end); });
    if (piece.empty() && !end && !co_await news_or_time(news))
      piece = ":\n\n";  // a comment, to those who read events
    c.allow(limits.quiet_time);
    if (!piece.empty() && version >= 11)
      co_await asio::async_write(c.stream, http::make_chunk(asio::buffer(piece)), caught(error));
    else if (!piece.empty())
      co_await asio::async_write(c.stream, asio::buffer(piece), caught(error));
  }
  if (!error && version >= 11) co_await asio::async_write(c.stream, http::make_chunk_last(), caught(error));
  co_await on_worker(
      [&] { return feed.reset(), true; });  // closing what watches takes the kernel milliseconds
  if (!error) co_await linger(c);
}

// Closes such that the answer arrives though the client still sends: a close with
// unread bytes would be a reset, which may overtake it.
asio::awaitable<void> Server::Impl::linger(Connection& c) {
  error_code error;
  c.allow(std::chrono::seconds(2));
  if (c.stream.tls() != nullptr) co_await c.stream.tls()->async_shutdown(caught(error));
  error = {};
  c.stream.plain().socket().shutdown(asio::socket_base::shutdown_send, error);
  std::vector<char> piece(kPiece);
  while (!error) co_await c.stream.plain().async_read_some(asio::buffer(piece), caught(error));
}

}  // namespace milonga::rest
