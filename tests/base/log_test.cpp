#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace milonga {
namespace {

TEST(Log, ALineHasTimeLevelAndText) {
  testing::internal::CaptureStderr();
  log(Level::warning, "job=7 is late");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::MatchesRegex("[0-9-]+T[0-9:]+\\.[0-9][0-9][0-9]Z warning job=7 is late\n"));
}

TEST(Log, WhatIsLoggedCannotMakeALineOfItsOwn) {
  testing::internal::CaptureStderr();
  log(Level::info, "name a\nb\r\x1b[31m\x7f");
  write_line("a\nb");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(said.ends_with(" info name a b  [31m \na b\n")) << said;
}

}  // namespace
}  // namespace milonga
