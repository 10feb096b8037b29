#include "rest/stream.h"

#include <boost/asio/bind_executor.hpp>

namespace milonga::rest {

Stream::Stream(Protocol::socket socket, std::shared_ptr<boost::asio::ssl::context> tls)
    : plain_(std::move(socket)), context_(std::move(tls)) {
  if (context_) tls_.emplace(plain_, *context_);
}

Stream::~Stream() = default;

// Handlers run on the stream's own executor, as all of a connection does: an erased
// handler's is of a kind that cannot post.
void Stream::read(const Few<boost::asio::mutable_buffer>& into, Handler handler) {
  auto done = boost::asio::bind_executor(get_executor(), std::move(handler));
  if (tls_)
    tls_->async_read_some(into, std::move(done));
  else
    plain_.async_read_some(into, std::move(done));
}

void Stream::write(const Few<boost::asio::const_buffer>& from, Handler handler) {
  auto done = boost::asio::bind_executor(get_executor(), std::move(handler));
  if (tls_)
    tls_->async_write_some(from, std::move(done));
  else
    plain_.async_write_some(from, std::move(done));
}

}  // namespace milonga::rest
