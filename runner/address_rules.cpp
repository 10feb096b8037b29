#include "runner/address_rules.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

namespace milonga::runner {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

struct Network {
  const char* text;  // "10.0.0.0/8"
  const char* why;
};

// RFC 6890 and the IANA registries of special-purpose addresses that followed it.
constexpr Network kSpecial[] = {
    {"0.0.0.0/8", "this host"},
    {"10.0.0.0/8", "private (RFC 1918)"},
    {"100.64.0.0/10", "shared by a provider's customers (RFC 6598)"},
    {"127.0.0.0/8", "loopback"},
    {"169.254.0.0/16", "link-local; clouds keep their metadata here"},
    {"172.16.0.0/12", "private (RFC 1918)"},
    {"192.0.0.0/24", "protocol assignments"},
    {"192.0.2.0/24", "documentation"},
    {"192.168.0.0/16", "private (RFC 1918)"},
    {"198.18.0.0/15", "benchmarks"},
    {"198.51.100.0/24", "documentation"},
    {"203.0.113.0/24", "documentation"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved, broadcast"},
    {"::/96", "unspecified, loopback, IPv4-compatible"},
    {"64:ff9b:1::/48", "private translation"},
    {"100::/64", "discard"},
    {"2001::/23", "protocol assignments, Teredo"},
    {"2001:db8::/32", "documentation"},
    {"fc00::/7", "private (RFC 4193)"},
    {"fe80::/10", "link-local"},
    {"fec0::/10", "private, of old"},
    {"ff00::/8", "multicast"},
};

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

Bytes from_v4(const void* four) {
  Bytes bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::memcpy(bytes.data() + 12, four, 4);
  return bytes;
}

bool is_v4(const Bytes& b) {
  constexpr Bytes kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(kMapped.begin(), kMapped.begin() + 12, b.begin());
}

std::optional<Bytes> parse_address(const std::string& text) {
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return from_v4(&v4);
  if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) return std::nullopt;
  Bytes bytes;
  std::memcpy(bytes.data(), &v6, 16);
  return bytes;
}

std::optional<Bytes> bytes_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return from_v4(&v4.sin_addr);
  }
  if (address.sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof v6);
  Bytes bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, 16);
  return bytes;
}

std::uint16_t port_of(const sockaddr& address) {
  sockaddr_in v4{};  // the port is at the same place in both
  std::memcpy(&v4, &address, sizeof v4);
  return ntohs(v4.sin_port);
}

bool is_in(const Bytes& address, const Bytes& network, int bits) {
  for (int bit = 0; bit < bits; ++bit) {
    const auto at = static_cast<std::size_t>(bit / 8);
    if (((address[at] ^ network[at]) >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

// "10.0.0.0/8" or "10.0.0.1". Bits are counted in the 16-byte form.
std::optional<std::pair<Bytes, int>> parse_network(const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  const int wider = text.find(':') == std::string::npos ? 96 : 0;
  if (slash == std::string::npos) return std::pair{*address, 128};
  int bits = -1;
  const auto [end, error] = std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size() || bits < 0 || bits > 128 - wider)
    return std::nullopt;
  return std::pair{*address, bits + wider};
}

// What an address leads to: one of IPv4 may be wrapped into one of IPv6.
Bytes unwrapped(const Bytes& b) {
  constexpr std::uint8_t kNat64[12] = {0, 0x64, 0xff, 0x9b};  // RFC 6052
  if (std::equal(std::begin(kNat64), std::end(kNat64), b.begin())) return from_v4(b.data() + 12);
  if (b[0] == 0x20 && b[1] == 0x02) return from_v4(b.data() + 2);  // 6to4, RFC 3056
  return b;
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text.front() != '.' && text.front() != '-' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._") == std::string_view::npos;
}

}  // namespace

std::string UrlTarget::origin() const {
  return fmt::format("{}://{}:{}", scheme, host.find(':') == std::string::npos ? host : "[" + host + "]",
                     port);
}

Result<UrlTarget> parse_url(const std::string& url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parts(::curl_url(), &::curl_url_cleanup);
  if (parts == nullptr || ::curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
    return fail("the callback's URL is none");
  const auto part = [&](CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    (void)::curl_url_get(parts.get(), which, &text, flags);
    std::string out = text == nullptr ? "" : text;
    ::curl_free(text);
    return out;
  };
  UrlTarget target;
  target.scheme = part(CURLUPART_SCHEME);
  target.host = lower(part(CURLUPART_HOST));
  if (target.host.starts_with('[')) target.host = target.host.substr(1, target.host.size() - 2);
  if (target.host.ends_with('.')) target.host.pop_back();
  const std::string port = part(CURLUPART_PORT, CURLU_DEFAULT_PORT);
  (void)std::from_chars(port.data(), port.data() + port.size(), target.port);
  if ((target.scheme != "http" && target.scheme != "https") || target.host.empty() || target.port == 0)
    return fail("the callback's URL is not one of http or https");
  return target;
}

bool is_public(const sockaddr& address) {
  static const std::vector<std::pair<Bytes, int>> special = [] {
    std::vector<std::pair<Bytes, int>> all;
    for (const Network& network : kSpecial) all.push_back(parse_network(network.text).value());
    return all;
  }();
  const auto bytes = bytes_of(address);
  if (!bytes) return false;
  const Bytes real = unwrapped(*bytes);
  return std::none_of(special.begin(), special.end(), [&](const auto& s) {
    return is_v4(real) == is_v4(s.first) && is_in(real, s.first, s.second);
  });
}

Result<AddressRules> AddressRules::parse(const std::vector<std::string>& entries) {
  AddressRules rules;
  for (const std::string& text : entries) {
    Entry entry;
    std::string host = lower(text);
    const auto bad = [&] {
      return fail(fmt::format("'{}' is neither a host nor an address nor a network", text),
                  "as in autolab.example.edu, localhost:3000, 10.1.2.3, [::1]:3000, 10.1.0.0/16");
    };
    const std::size_t colon = host.rfind(':');
    const bool bracketed = host.starts_with('[');
    if (colon != std::string::npos && (bracketed ? host[colon - 1] == ']' : host.find(':') == colon)) {
      const auto [end, error] =
          std::from_chars(host.data() + colon + 1, host.data() + host.size(), entry.port);
      if (error != std::errc() || end != host.data() + host.size() || entry.port == 0) return bad();
      host.resize(colon);
    }
    if (bracketed) {
      if (!host.ends_with(']')) return bad();
      host = host.substr(1, host.size() - 2);
    }
    if (const auto network = parse_network(host)) {
      std::tie(entry.network, entry.bits) = *network;
    } else {
      if (bracketed || !is_host_name(host)) return bad();
      entry.host = host;
    }
    rules.entries_.push_back(std::move(entry));
  }
  return rules;
}

bool AddressRules::allows(const UrlTarget& target, const sockaddr& address) const {
  if (is_public(address)) return true;
  const auto bytes = bytes_of(address);
  return bytes && std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
           if (e.port != 0 && e.port != port_of(address)) return false;
           return e.host.empty() ? is_in(*bytes, e.network, e.bits) : e.host == target.host;
         });
}

bool AddressRules::names(const UrlTarget& target) const {
  const auto address = parse_address(target.host);
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
    if (e.port != 0 && e.port != target.port) return false;
    return e.host.empty() ? address && is_in(*address, e.network, e.bits) : e.host == target.host;
  });
}

}  // namespace milonga::runner
