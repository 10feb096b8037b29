// A connection as bytes, plain or by TLS: what Beast reads from and writes to. Time
// limits are those of the plain socket beneath, so they hold for TLS as well.
//
// Privilege: none.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace milonga::rest {

class Stream {
 public:
  using Protocol = boost::asio::generic::stream_protocol;
  using Plain = boost::beast::basic_stream<Protocol>;
  using Tls = boost::asio::ssl::stream<Plain&>;
  using executor_type = Plain::executor_type;

  // `tls`: null for a plain connection; kept while the connection lives.
  Stream(Protocol::socket socket, std::shared_ptr<boost::asio::ssl::context> tls)
      : plain_(std::move(socket)), context_(std::move(tls)) {
    if (context_) tls_.emplace(plain_, *context_);
  }

  executor_type get_executor() { return plain_.get_executor(); }
  Plain& plain() { return plain_; }
  Tls* tls() { return tls_ ? &*tls_ : nullptr; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    const auto start = [this](auto handler, const Buffers& into) {
      if (tls_)
        tls_->async_read_some(into, std::move(handler));
      else
        plain_.async_read_some(into, std::move(handler));
    };
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(start, token,
                                                                                            buffers);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    const auto start = [this](auto handler, const Buffers& from) {
      if (tls_)
        tls_->async_write_some(from, std::move(handler));
      else
        plain_.async_write_some(from, std::move(handler));
    };
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(start, token,
                                                                                            buffers);
  }

 private:
  Plain plain_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::optional<Tls> tls_;
};

}  // namespace milonga::rest
