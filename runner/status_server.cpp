#include "runner/status_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>
#include <cstring>
#include <map>

namespace milonga::runner {
namespace {

namespace http = boost::beast::http;
using std::chrono::milliseconds;

constexpr std::size_t kMostClients = 32;
constexpr std::uint32_t kLargestHead = 8 * 1024;
constexpr milliseconds kClientDeadline{5'000};  // from connect to the last byte
constexpr milliseconds kTroublePause{1'000};    // after accept(2) failed for want of something

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  std::string path;  // of a unix socket
};

Result<Address> parse_address(const std::string& where) {
  Address a;
  const auto bad = [&] {
    return fail(fmt::format("cannot listen at '{}'", where),
                "a socket's path, 127.0.0.1:PORT, [::1]:PORT or localhost:PORT");
  };
  if (where.starts_with('/')) {
    auto* un = reinterpret_cast<sockaddr_un*>(&a.bytes);
    if (where.size() >= sizeof un->sun_path)
      return fail(fmt::format("the path '{}' is too long for a socket", where));
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, where.data(), where.size());
    a.size = sizeof *un;
    a.path = where;
    return a;
  }
  const std::size_t colon = where.rfind(':');
  if (colon == std::string::npos) return bad();
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(where.data() + colon + 1, where.data() + where.size(), port);
  if (error != std::errc() || end != where.data() + where.size()) return bad();
  std::string host = where.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  auto* v4 = reinterpret_cast<sockaddr_in*>(&a.bytes);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&a.bytes);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1 && ntohl(v4->sin_addr.s_addr) >> 24 == 127) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    a.size = sizeof *v4;
  } else if (host == "[::1]") {
    v6->sin6_family = AF_INET6;
    v6->sin6_addr = in6addr_loopback;
    v6->sin6_port = htons(port);
    a.size = sizeof *v6;
  } else {
    return bad();
  }
  return a;
}

// A socket file that nobody listens at is of a daemon that was killed.
Result<void> remove_stale(const Address& a) {
  struct stat info {};
  if (::lstat(a.path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) return fail(fmt::format("'{}' is there, and is no socket", a.path));
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&a.bytes), a.size) == 0 ||
      errno != ECONNREFUSED)
    return fail(fmt::format("another process listens at '{}'", a.path));
  return ::unlink(a.path.c_str()) == 0 ? Result<void>{} : Result<void>(fail_errno("remove", a.path));
}

Result<UniqueFd> bind_and_listen(const Address& a, const std::string& where) {
  if (!a.path.empty()) TRY(remove_stale(a));
  UniqueFd fd(::socket(a.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (fd.valid() && a.path.empty()) (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!fd.valid() || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&a.bytes), a.size) != 0)
    return fail_errno("listen at", where);
  // Whoever may not write to it cannot connect (unix(7)); it accepts nobody before this.
  if (!a.path.empty() && ::chmod(a.path.c_str(), 0660) != 0) return fail_errno("set the mode of", where);
  if (::listen(fd.get(), SOMAXCONN) != 0) return fail_errno("listen at", where);
  return fd;
}

std::string address_of(int fd, const std::string& where) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (where.starts_with('/') || ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0)
    return where;
  const bool v6 = bound.ss_family == AF_INET6;  // the port is at the same place in both
  const auto port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  return fmt::format("{}:{}", v6 ? "[::1]" : where.substr(0, where.rfind(':')), port);
}

std::string response(const StatusPage& page, bool with_body) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{}",
      page.status, std::string(http::obsolete_reason(static_cast<http::status>(page.status))), page.type,
      page.body.size(), with_body ? page.body : "");
}

struct Client {
  UniqueFd fd;
  http::request_parser<http::empty_body> parser;
  std::string head;
  std::string reply;
  std::size_t sent = 0;
  EventLoop::TimerId timer = 0;
};

}  // namespace

class StatusServer::Engine {
 public:
  Engine(EventLoop& loop, Pages pages) : loop_(loop), pages_(std::move(pages)) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() {
    while (!clients_.empty()) close(clients_.begin()->first);
    loop_.cancel(pause_);
    if (listener_.valid()) loop_.forget(listener_.get());
    if (!path_.empty()) (void)::unlink(path_.c_str());
  }

  Result<void> start(const std::string& where) {
    const Address a = TRY(parse_address(where));
    listener_ = TRY(bind_and_listen(a, where));
    path_ = a.path;
    address = address_of(listener_.get(), where);
    return watch();
  }

  std::string address;

 private:
  Result<void> watch() {
    return loop_.when_readable(listener_.get(), [this] { accept(); });
  }

  // Not watched while nobody more can be served: a listener that stays readable would keep the loop awake.
  void rest() {
    loop_.forget(listener_.get());
    if (pause_ != 0) return;
    pause_ = loop_.after(kTroublePause, [this] {
      pause_ = 0;
      if (!watch()) rest();
    });
  }

  void accept() {
    while (clients_.size() < kMostClients) {
      UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd.valid() && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) return;
      if (!fd.valid()) return rest();
      const int number = fd.get();
      auto client = std::make_unique<Client>();
      client->fd = std::move(fd);
      client->parser.header_limit(kLargestHead);
      client->timer = loop_.after(kClientDeadline, [this, number] { close(number); });
      if (!loop_.when_readable(number, [this, number] { read(number); })) {
        loop_.cancel(client->timer);
        continue;
      }
      clients_[number] = std::move(client);
    }
    rest();
  }

  void read(int number) {
    Client& client = *clients_.at(number);
    char piece[kLargestHead];
    const ssize_t n = ::recv(number, piece, sizeof piece, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return close(number);
    client.head.append(piece, static_cast<std::size_t>(n));
    boost::system::error_code error;
    (void)client.parser.put(boost::asio::buffer(client.head),
                            error);  // takes nothing before the head is whole
    if (error == http::error::need_more && client.head.size() < kLargestHead) return;
    answer(number, client, !error);
  }

  void answer(int number, Client& client, bool ok) {
    StatusPage page{400, {}, "this is no HTTP request\n"};
    bool head = false;
    if (ok) {
      const auto& request = client.parser.get();
      const std::string target(request.target());
      head = request.method() == http::verb::head;
      if (request.method() == http::verb::get || head)
        page = pages_(std::string_view(target).substr(0, target.find('?')));
      else
        page = {405, {}, "only GET\n"};
    }
    if (page.type.empty()) page.type = StatusPage{}.type;
    client.reply = response(page, !head);
    loop_.forget(number);
    if (!loop_.when_ready(number, false, true, [this, number] { write(number); })) close(number);
  }

  void write(int number) {
    Client& client = *clients_.at(number);
    const ssize_t n =
        ::send(number, client.reply.data() + client.sent, client.reply.size() - client.sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) client.sent += static_cast<std::size_t>(n);
    if (n < 0 || client.sent == client.reply.size()) close(number);
  }

  void close(int number) {
    const auto found = clients_.find(number);
    if (found == clients_.end()) return;
    loop_.cancel(found->second->timer);
    loop_.forget(number);
    clients_.erase(found);
  }

  EventLoop& loop_;
  Pages pages_;
  UniqueFd listener_;
  std::string path_;
  std::map<int, std::unique_ptr<Client>> clients_;
  EventLoop::TimerId pause_ = 0;
};

StatusServer::StatusServer() = default;
StatusServer::~StatusServer() = default;

Result<std::unique_ptr<StatusServer>> StatusServer::listen(EventLoop& loop, const std::string& where,
                                                           Pages pages) {
  std::unique_ptr<StatusServer> server(new StatusServer());
  server->engine_ = std::make_unique<Engine>(loop, std::move(pages));
  TRY(server->engine_->start(where));
  return server;
}

const std::string& StatusServer::address() const {
  return engine_->address;
}

}  // namespace milonga::runner
