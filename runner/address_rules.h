// Where callbacks may go. Whoever submits a job names a URL, and the daemon goes
// there: without rules it could be sent to whatever listens only to its own host
// or network (server-side request forgery; OWASP API7:2023). So public addresses
// are free, and all others only for hosts, addresses and networks that the
// operator named. The question is asked of each address that is connected to, as
// the name service gave it: a name that changes its mind in between gains nothing.
//
// An entry is HOST, HOST:PORT, ADDRESS, ADDRESS:PORT ([ADDRESS]:PORT for IPv6) or
// NETWORK/BITS. A host is the name in the URL, not one that resolves alike.
//
// Privilege: none. Pure.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace milonga::runner {

// The parts of a URL that decide where it leads, as libcurl reads them.
struct UrlTarget {
  std::string scheme, host;  // lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;

  [[nodiscard]] std::string origin() const;  // "https://host:443"
};
Result<UrlTarget> parse_url(const std::string& url);

class AddressRules {
 public:
  // Fails with one line that names the entry.
  static Result<AddressRules> parse(const std::vector<std::string>& entries);

  // Whether a request to this URL may be sent to this address.
  [[nodiscard]] bool allows(const UrlTarget& target, const sockaddr& address) const;
  // Whether an entry names the host of this URL: what a list of hosts means.
  [[nodiscard]] bool names(const UrlTarget& target) const;

 private:
  using Bytes = std::array<std::uint8_t, 16>;  // IPv4 as ::ffff:a.b.c.d
  struct Entry {
    std::string host;  // empty: `network`
    Bytes network{};
    int bits = 128;
    std::uint16_t port = 0;  // 0: any
  };
  std::vector<Entry> entries_;
};

// Whether this is an address of the public Internet: not loopback, private, link-local, multicast or
// otherwise special (RFC 6890), also where such a one is wrapped into IPv6.
bool is_public(const sockaddr& address);

}  // namespace milonga::runner
