// A connection as bytes, plain or by TLS: what Beast reads from and writes to. Time
// limits are those of the plain socket beneath, so they hold for TLS as well.
//
// Privilege: none.
#pragma once

#include <array>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace milonga::rest {

// An asynchronous stream as Asio and Beast define it. What waits for a read or a
// write is erased here, so the two kinds of stream beneath are compiled once, in
// stream.cpp, and not anew into each operation that stands on them.
class Stream {
 public:
  using Protocol = boost::asio::generic::stream_protocol;
  using Plain = boost::beast::basic_stream<Protocol>;
  using Tls = boost::asio::ssl::stream<Plain&>;
  using executor_type = Plain::executor_type;
  using Signature = void(boost::system::error_code, std::size_t);

  // `tls`: null for a plain connection; kept while the connection lives.
  Stream(Protocol::socket socket, std::shared_ptr<boost::asio::ssl::context> tls);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  executor_type get_executor() { return plain_.get_executor(); }
  Plain& plain() { return plain_; }
  Tls* tls() { return tls_ ? &*tls_ : nullptr; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, Signature>(
        [this](auto handler, const Few<boost::asio::mutable_buffer>& into) { read(into, std::move(handler)); },
        token, few<boost::asio::mutable_buffer>(buffers));
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, Signature>(
        [this](auto handler, const Few<boost::asio::const_buffer>& from) { write(from, std::move(handler)); },
        token, few<boost::asio::const_buffer>(buffers));
  }

 private:
  using Handler = boost::asio::any_completion_handler<Signature>;
  // The first of some buffers; those left over are for the next call, as "some" allows.
  // An answer has one for each header field, and should leave in one piece.
  template <class Buffer>
  using Few = std::array<Buffer, 32>;

  template <class Buffer, class Buffers>
  static Few<Buffer> few(const Buffers& buffers) {
    Few<Buffer> first;
    std::size_t count = 0;
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != end && count < first.size(); ++it)
      if (const Buffer buffer = *it; buffer.size() > 0) first[count++] = buffer;
    return first;
  }

  void read(const Few<boost::asio::mutable_buffer>& into, Handler handler);
  void write(const Few<boost::asio::const_buffer>& from, Handler handler);

  Plain plain_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::optional<Tls> tls_;
};

}  // namespace milonga::rest
