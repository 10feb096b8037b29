// Where callbacks may go: which addresses are public, and what an entry of the allow-list means.
#include "runner/address_rules.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

namespace milonga::runner {
namespace {

struct Address {
  sockaddr_storage storage{};
  Address(const std::string& text, std::uint16_t port) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons(port);
    } else {
      EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr), 1) << text;
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(port);
    }
  }
  [[nodiscard]] const sockaddr& get() const { return reinterpret_cast<const sockaddr&>(storage); }
};

bool allows(const std::vector<std::string>& entries, const std::string& url, const std::string& address,
            std::uint16_t port = 80) {
  return AddressRules::parse(entries).value().allows(parse_url(url).value(), Address(address, port).get());
}

TEST(AddressRules, PublicIsWhatLeadsToNobodysOwnNetworkHoweverItIsWritten) {
  for (const char* text :
       {"8.8.8.8", "1.0.0.1", "172.15.0.1", "172.32.0.1", "192.167.1.1", "100.128.0.1", "223.255.255.255",
        "2a00::1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"})
    EXPECT_TRUE(is_public(Address(text, 80).get())) << text;
  for (const char* text : {"127.0.0.1",
                           "127.255.0.1",
                           "0.0.0.0",
                           "10.1.2.3",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.0.1",
                           "169.254.169.254",
                           "100.64.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "198.18.0.1",
                           "::",
                           "::1",
                           "::127.0.0.1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "64:ff9b::7f00:1",
                           "64:ff9b::a00:1",
                           "2002:7f00:1::",
                           "2002:a00:1::1",
                           "fe80::1",
                           "fc00::1",
                           "fdff::1",
                           "ff02::1",
                           "fec0::1",
                           "2001:0:1::1"})
    EXPECT_FALSE(is_public(Address(text, 80).get())) << text;
  sockaddr unix_socket{};
  unix_socket.sa_family = AF_UNIX;
  EXPECT_FALSE(is_public(unix_socket));
}

TEST(AddressRules, WithoutAnEntryOnlyPublicAddressesAreGoneTo) {
  EXPECT_TRUE(allows({}, "http://a.example/", "8.8.8.8"));
  EXPECT_FALSE(allows({}, "http://a.example/", "10.0.0.1"));
}

TEST(AddressRules, AHostIsTheNameInTheUrlAndNoOtherThatLeadsThere) {
  const std::vector<std::string> entries = {"Autolab.Internal"};
  EXPECT_TRUE(allows(entries, "http://autolab.internal/x", "10.0.0.1"));
  EXPECT_TRUE(allows(entries, "http://AUTOLAB.internal./x", "10.0.0.1"));
  EXPECT_FALSE(allows(entries, "http://evil.example/x", "10.0.0.1"));
  EXPECT_FALSE(allows(entries, "http://autolab.internal@evil.example/x", "10.0.0.1"));
  EXPECT_FALSE(allows(entries, "http://autolab.internal.evil.example/x", "10.0.0.1"));
}

TEST(AddressRules, AnEntryWithAPortIsForThatPortOnly) {
  EXPECT_TRUE(allows({"localhost:3000"}, "http://localhost:3000/", "127.0.0.1", 3000));
  EXPECT_FALSE(allows({"localhost:3000"}, "http://localhost:6379/", "127.0.0.1", 6379));
  EXPECT_TRUE(allows({"[::1]:3000"}, "http://[::1]:3000/", "::1", 3000));
  EXPECT_FALSE(allows({"[::1]:3000"}, "http://[::1]/", "::1", 80));
}

TEST(AddressRules, ANetworkIsItsAddressesAndNoMore) {
  EXPECT_TRUE(allows({"10.1.0.0/16"}, "http://x/", "10.1.255.255"));
  EXPECT_FALSE(allows({"10.1.0.0/16"}, "http://x/", "10.2.0.0"));
  EXPECT_TRUE(allows({"fd00:1::/32"}, "http://x/", "fd00:1:ffff::1"));
  EXPECT_FALSE(allows({"fd00:1::/32"}, "http://x/", "fd00:2::1"));
  EXPECT_TRUE(allows({"192.168.1.5"}, "http://x/", "192.168.1.5"));
  EXPECT_FALSE(allows({"192.168.1.5"}, "http://x/", "192.168.1.6"));
  EXPECT_FALSE(allows({"0.0.0.0/0"}, "http://x/", "::1")) << "a network of IPv4 has no address of IPv6";
}

TEST(AddressRules, AnEntryThatMeansNothingIsRefusedAndNamed) {
  for (const char* text : {"", "http://a/", "a b", "10.0.0.0/33", "10.0.0.0/", "host:0", "host:70000",
                           "host:x", "[::1", "[host]", "::1/129", "-a", "*.example.edu"}) {
    const auto rules = AddressRules::parse({"good.example", text});
    ASSERT_FALSE(rules) << text;
    EXPECT_NE(rules.error().what.find("'" + std::string(text) + "'"), std::string::npos)
        << rules.error().line();
  }
}

TEST(AddressRules, AUrlIsReadAsTheClientReadsIt) {
  const UrlTarget target = parse_url("HTTPS://User:Pw@Host.Example/a/b?dave=secret#x").value();
  EXPECT_EQ(target.origin(), "https://host.example:443");
  EXPECT_EQ(parse_url("http://[::1]:3000/").value().origin(), "http://[::1]:3000");
  EXPECT_EQ(parse_url("http://0x7f.1/").value().host, "127.0.0.1") << "libcurl reads old forms of addresses";
  for (const char* bad : {"", "file:///etc/passwd", "gopher://x/", "http://", "http://a:99999/", "x"})
    EXPECT_FALSE(parse_url(bad)) << bad;
}

}  // namespace
}  // namespace milonga::runner
