// The privileged side believes nothing of a request: every field out of its range is refused.
#include "autodriver/core/request.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "autodriver/core/authority.h"

namespace milonga::core {
namespace {

std::unique_ptr<Request> sound_request() {
  auto r = std::make_unique<Request>();
  r->limits = default_limits();
  std::strcpy(r->work_name, "lab");
  const std::string strings("make\0PATH=/bin\0", 15);
  std::memcpy(r->strings, strings.data(), strings.size());
  r->strings_size = static_cast<std::uint32_t>(strings.size());
  r->argc = r->envc = 1;
  return r;
}

bool is_refused(const Request& r) { return static_cast<bool>(check_request(r)); }

TEST(Request, AsTheFrontMakesItIsTaken) { EXPECT_FALSE(is_refused(*sound_request())); }

TEST(Request, OfAnotherVersionIsRefused) {
  auto r = sound_request();
  r->version++;
  EXPECT_TRUE(is_refused(*r));
  r = sound_request();
  r->magic = 0;
  EXPECT_TRUE(is_refused(*r));
}

TEST(Request, WithUnknownOperationFlagOrRungIsRefused) {
  auto r = sound_request();
  r->op = static_cast<CoreOp>(3);
  EXPECT_TRUE(is_refused(*r));
  r = sound_request();
  r->flags = 1u << 6;
  EXPECT_TRUE(is_refused(*r));
  r = sound_request();
  r->require[kDemandCount - 1] = static_cast<Rung>(5);
  EXPECT_TRUE(is_refused(*r));
}

TEST(Request, LimitsAreTakenWithinTheTableAndRefusedOutsideIt) {
  for (const LimitRow& row : kLimits) {
    auto r = sound_request();
    r->limits[row.id] = row.maximum;
    EXPECT_FALSE(is_refused(*r)) << row.name;
    r->limits[row.id] = row.maximum + 1;
    EXPECT_TRUE(is_refused(*r)) << row.name;
    r->limits[row.id] = row.minimum;
    EXPECT_FALSE(is_refused(*r)) << row.name;
    if (row.minimum > 1) {
      r->limits[row.id] = row.minimum - 1;
      EXPECT_TRUE(is_refused(*r)) << row.name;
    }
    r->limits[row.id] = 0;  // "none" only where none is the default
    EXPECT_EQ(is_refused(*r), row.default_value != 0) << row.name;
  }
}

TEST(Request, WorkNameMustBeOnePathComponent) {
  for (const char* name : {"", ".", "..", "a/b", "/", "../x"}) {
    auto r = sound_request();
    std::memset(r->work_name, 0, sizeof r->work_name);
    std::strcpy(r->work_name, name);
    EXPECT_TRUE(is_refused(*r)) << "'" << name << "'";
  }
  auto r = sound_request();
  std::memset(r->work_name, 'x', sizeof r->work_name);  // no end
  EXPECT_TRUE(is_refused(*r));
}

TEST(Request, StringsMustMatchTheirCounts) {
  for (const int change : {-1, 1}) {
    auto r = sound_request();
    r->argc += static_cast<std::uint32_t>(change);
    EXPECT_TRUE(is_refused(*r)) << change;
    r = sound_request();
    r->envc += static_cast<std::uint32_t>(change);
    EXPECT_TRUE(is_refused(*r)) << change;
    r = sound_request();
    r->strings_size += static_cast<std::uint32_t>(change);
    EXPECT_TRUE(is_refused(*r)) << change;
  }
  auto r = sound_request();
  r->argc = ~0u;
  r->envc = 3;  // the sum overflows to 2
  EXPECT_TRUE(is_refused(*r));
  r = sound_request();
  r->strings_size = kMaxStrings + 1;
  EXPECT_TRUE(is_refused(*r));
  r = sound_request();
  r->strings[0] = '\0';  // an empty command
  EXPECT_TRUE(is_refused(*r));
}

TEST(Request, FilterMustFit) {
  auto r = sound_request();
  r->filter_size = kMaxFilter;
  EXPECT_FALSE(is_refused(*r));
  r->filter_size = kMaxFilter + 1;
  EXPECT_TRUE(is_refused(*r));
}

// Whatever bytes come, the check reads within the struct (address sanitizer) and either takes or refuses.
TEST(Request, OfRandomBytesNeverBreaksTheCheck) {
  std::mt19937 random(20261123);
  int taken = 0;
  for (int round = 0; round < 20000; ++round) {
    auto r = sound_request();
    auto* bytes = reinterpret_cast<unsigned char*>(r.get());
    const std::size_t head = offsetof(Request, filter);
    for (int i = 0; i < 4; ++i) bytes[random() % head] = static_cast<unsigned char>(random());
    if (!is_refused(*r)) ++taken;
  }
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, 20000);
}

TEST(Authority, HostNetworkIsForRootUnlessTheHostAllowsIt) {
  auto r = sound_request();
  r->flags = kHostNetwork;
  Authority a;
  EXPECT_FALSE(allow(a, {0, 0}, *r));
  EXPECT_TRUE(allow(a, {1000, 1000}, *r));
  a.host_network = 1;
  EXPECT_FALSE(allow(a, {1000, 1000}, *r));
}

TEST(Authority, MaximaOfTheHostBindEveryCaller) {
  auto r = sound_request();
  Authority a;
  a.max_memory = kGiB;  // the default asks for 2 GiB
  EXPECT_TRUE(allow(a, {0, 0}, *r));
  a = {};
  a.max_wall_s = 10;
  EXPECT_TRUE(allow(a, {0, 0}, *r)) << "no wall limit is more than ten seconds";
  r->limits[LimitId::wall] = 10 * kSecond;
  EXPECT_FALSE(allow(a, {0, 0}, *r));
}

}  // namespace
}  // namespace milonga::core
