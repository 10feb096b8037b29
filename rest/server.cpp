#include "rest/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <csignal>

#include "base/log.h"
#include "rest/server_impl.h"

namespace milonga::rest {

asio::awaitable<void> Server::Impl::serve(Stream::Protocol::socket socket, bool by_tls) {
  Connection c(std::move(socket), by_tls ? tls : nullptr);
  error_code error;
  auto& plain = c.stream.plain().socket();
  c.peer = peer_of(plain.native_handle());
  if (c.peer != "unix")
    plain.set_option(asio::detail::socket_option::boolean<IPPROTO_TCP, TCP_NODELAY>(true), error);
  if (c.stream.tls() != nullptr) {
    c.allow(limits.head_time);
    co_await c.stream.tls()->async_handshake(asio::ssl::stream_base::server, caught(error));
    if (error) {
      log(Level::info, fmt::format("{} - no TLS: {}", c.peer, error.message()));
      co_return;
    }
  }
  while (!stopping && co_await one_request(c)) {
  }
  plain.close(error);
}

asio::awaitable<void> Server::Impl::accept_all(Door& door) {
  while (!stopping) {
    error_code error;
    Stream::Protocol::socket socket = co_await door.acceptor.async_accept(caught(error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // no descriptor, no memory: wait for one to come free
      asio::steady_timer pause(io, std::chrono::milliseconds(100));
      co_await pause.async_wait(caught(error));
      continue;
    }
    if (connections >= limits.connections) continue;  // closed again
    ++connections;
    asio::co_spawn(
        io, serve(std::move(socket), door.listener.where().tls), [this](const std::exception_ptr& failure) {
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
  for (const auto& door : doors) door->acceptor.close(error);
  for (Stream* stream : idle) stream->plain().cancel();
  for (auto* feed : feeds) feed->cancel();
  if (connections == 0) return io.stop();
  log(Level::info,
      fmt::format("stopping: {} connections get {} s to end", connections, limits.grace.count()));
  grace.expires_after(limits.grace);
  grace.async_wait([this](const error_code&) { io.stop(); });
}

asio::awaitable<void> Server::Impl::stop_when_told() {
  error_code error;
  for (int told = 0; told < 2 && !error;) {  // a second one does not wait for anything
    const int signal = co_await signals.async_wait(caught(error));
    if (signal == SIGHUP) {
      if (hangup) hangup();
      continue;
    }
    if (++told == 1) stop();
  }
  io.stop();
}

Server::Server(Service& service, ServerLimits limits) : impl_(std::make_unique<Impl>(service, limits)) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) impl_->signals.add(signal);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
  }
}

Server::~Server() {
  impl_->workers.join();  // a submit under way ends
}

Result<void> Server::listen(Listener listener) {
  const int copy = ::fcntl(listener.fd(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return fail_errno("listen on", listener.shown());
  const Stream::Protocol protocol(listener.family(), SOCK_STREAM);
  impl_->doors.push_back(std::make_unique<Impl::Door>(Impl::Door{
      std::move(listener), asio::basic_socket_acceptor<Stream::Protocol>(impl_->io, protocol, copy)}));
  return {};
}

Result<void> Server::use_tls(const std::string& certificates, const std::string& key) {
  namespace ssl = asio::ssl;
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  error_code error;
  context->set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 | ssl::context::no_compression,
                       error);
  context->use_certificate_chain_file(certificates, error);
  if (error) return fail(fmt::format("cannot use the certificate '{}': {}", certificates, error.message()));
  context->use_private_key_file(key, ssl::context::pem, error);
  if (error)
    return fail(fmt::format("cannot use the key '{}' with '{}': {}", key, certificates, error.message()));
  impl_->tls = std::move(context);
  return {};
}

void Server::on_hangup(std::function<void()> call) {
  impl_->hangup = std::move(call);
}

void Server::run() {
  for (const auto& door : impl_->doors) asio::co_spawn(impl_->io, impl_->accept_all(*door), asio::detached);
  asio::co_spawn(impl_->io, impl_->stop_when_told(), asio::detached);
  impl_->io.run();
}

}  // namespace milonga::rest
