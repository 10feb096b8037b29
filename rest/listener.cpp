#include "rest/listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/size.h"

namespace milonga::rest {
namespace {

constexpr const char* kForms = "ADDR:PORT, tls:ADDR:PORT or unix:PATH";

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un un;
  sockaddr_storage room;
};

struct Bound {
  Address address{};
  socklen_t size = 0;
};

Result<Bound> internet(const ListenAddress& where) {
  Bound b;
  if (::inet_pton(AF_INET, where.address.c_str(), &b.address.v4.sin_addr) == 1) {
    b.address.v4.sin_family = AF_INET;
    b.address.v4.sin_port = htons(where.port);
    b.size = sizeof b.address.v4;
  } else if (::inet_pton(AF_INET6, where.address.c_str(), &b.address.v6.sin6_addr) == 1) {
    b.address.v6.sin6_family = AF_INET6;
    b.address.v6.sin6_port = htons(where.port);
    b.size = sizeof b.address.v6;
  } else {
    return fail(fmt::format("'{}' is not an address", where.address), "such as 127.0.0.1 or ::");
  }
  return b;
}

Result<Bound> local(const std::string& path) {
  Bound b;
  if (path.size() >= sizeof b.address.un.sun_path)
    return fail(fmt::format("'{}' is too long for a socket's name", path),
                fmt::format("at most {} bytes", sizeof b.address.un.sun_path - 1));
  b.address.un.sun_family = AF_UNIX;
  std::memcpy(b.address.un.sun_path, path.c_str(), path.size() + 1);
  b.size = sizeof b.address.un;
  return b;
}

// A name that nobody listens to is what a killed server left.
Result<void> remove_dead(const std::string& path, const Bound& at) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return {};
  if (!S_ISSOCK(st.st_mode))
    return fail(fmt::format("'{}' is there, and is no socket", path), "name another");
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return fail_errno("open", path);
  if (::connect(probe.get(), &at.address.any, at.size) == 0 || errno != ECONNREFUSED)
    return fail(fmt::format("somebody listens on '{}' already", path), "name another with --listen");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("replace", path);
  return {};
}

}  // namespace

Result<ListenAddress> parse_listen(const std::string& text) {
  ListenAddress where;
  if (text.starts_with("unix:")) {
    where.unix_path = text.substr(5);
    if (where.unix_path.empty()) return fail(fmt::format("--listen '{}' has no path", text), kForms);
    return where;
  }
  where.tls = text.starts_with("tls:");
  const std::string rest = where.tls ? text.substr(4) : text;
  const std::size_t colon = rest.rfind(':');
  const auto port =
      colon == std::string::npos ? Result<std::uint64_t>(fail("")) : parse_count(rest.substr(colon + 1));
  if (!port || *port > 65535 || colon + 1 == rest.size())
    return fail(fmt::format("--listen '{}' is not {}", text, kForms), "such as 127.0.0.1:3000 or [::]:3000");
  where.address = rest.substr(0, colon);
  if (where.address.starts_with('[') && where.address.ends_with(']'))
    where.address = where.address.substr(1, where.address.size() - 2);
  if (where.address.empty()) where.address = "::";
  where.port = static_cast<std::uint16_t>(*port);
  return where;
}

Result<Listener> Listener::open(const ListenAddress& where) {
  const bool is_local = !where.unix_path.empty();
  Bound at = TRY(is_local ? local(where.unix_path) : internet(where));
  const int family = at.address.any.sa_family;
  Listener listener(where, UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), family);
  const std::string shown = listener.shown(), hint = "name another with --listen";
  const int fd = listener.fd(), yes = 1, no = 0;
  if (is_local) {
    listener.where_.unix_path.clear();  // not ours to remove yet
    TRY(remove_dead(where.unix_path, at));
  } else if (::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
             (family == AF_INET6 && ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) != 0)) {
    return fail_errno("listen on", shown, hint);
  }
  if (::bind(fd, &at.address.any, at.size) != 0) return fail_errno("listen on", shown, hint);
  listener.where_.unix_path = where.unix_path;
  // Before listen(), so that nobody comes in by wider rights.
  if (is_local && ::chmod(where.unix_path.c_str(), 0660) != 0) return fail_errno("set the mode of", shown);
  if (::listen(fd, SOMAXCONN) != 0) return fail_errno("listen on", shown, hint);
  socklen_t size = sizeof at.address;
  if (!is_local && ::getsockname(fd, &at.address.any, &size) == 0)
    listener.where_.port = ntohs(family == AF_INET6 ? at.address.v6.sin6_port : at.address.v4.sin_port);
  return listener;
}

Listener::~Listener() {
  if (fd_.valid() && !where_.unix_path.empty()) (void)::unlink(where_.unix_path.c_str());
}

std::string Listener::shown() const {
  if (!where_.unix_path.empty()) return "unix:" + where_.unix_path;
  const bool v6 = where_.address.find(':') != std::string::npos;
  return fmt::format("{}{}{}{}:{}", where_.tls ? "tls:" : "", v6 ? "[" : "", where_.address, v6 ? "]" : "",
                     where_.port);
}

std::string peer_of(int fd) {
  Address peer{};
  socklen_t size = sizeof peer;
  char text[INET6_ADDRSTRLEN] = "?";
  if (::getpeername(fd, &peer.any, &size) != 0) return text;
  if (peer.any.sa_family == AF_UNIX) return "unix";
  const void* address =
      peer.any.sa_family == AF_INET6 ? static_cast<const void*>(&peer.v6.sin6_addr) : &peer.v4.sin_addr;
  (void)::inet_ntop(peer.any.sa_family, address, text, sizeof text);
  return std::string(text).starts_with("::ffff:") ? text + 7 : text;  // IPv4 on a socket for both
}

}  // namespace milonga::rest
