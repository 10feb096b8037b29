#include "base/nearest.h"

#include <gtest/gtest.h>

namespace milonga {
namespace {

constexpr std::string_view kKnown[] = {"memory", "processes", "wall", "network"};

TEST(Nearest, FindsTheNameThatWasMeant) {
  EXPECT_EQ(nearest("memry", kKnown), "memory");
  EXPECT_EQ(nearest("mmeory", kKnown), "memory");
  EXPECT_EQ(nearest("wal", kKnown), "wall");
  EXPECT_EQ(nearest("proceses", kKnown), "processes");
}

TEST(Nearest, ListsAllWhenNothingIsNear) {
  EXPECT_EQ(nearest("xyzzy", kKnown), "");
  EXPECT_EQ(nearest_hint("xyzzy", kKnown), "one of: memory, processes, wall, network");
  EXPECT_EQ(nearest_hint("netwrk", kKnown), "did you mean 'network'?");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), kKnown), "");
}

}  // namespace
}  // namespace milonga
