// milongad's command line: each bad value is one line that names the option.
#include "runner/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace milonga::runner {
namespace {

using ::testing::HasSubstr;

std::string error_of(std::vector<const char*> argv) {
  argv.insert(argv.begin(), "milongad");
  argv.insert(argv.begin() + 1, {"--autodriver", "/bin/true"});
  const auto o = parse_daemon_options(static_cast<int>(argv.size()), argv.data());
  return o ? "taken" : o.error().line();
}

TEST(DaemonOptions, BadValuesAreNamed) {
  EXPECT_EQ(error_of({"--slots", "4", "--spool", "/x"}), "taken");
  EXPECT_THAT(error_of({"--slots", "0"}), HasSubstr("--slots '0'"));
  EXPECT_THAT(error_of({"--slots", "many"}), HasSubstr("--slots 'many'"));
  EXPECT_THAT(error_of({"--slots", "401"}), HasSubstr("from 1 to 400"));
  EXPECT_THAT(error_of({"--grace", "-1"}), HasSubstr("--grace"));
  EXPECT_THAT(error_of({"--driver", "dokcer"}), HasSubstr("dokcer"));
  EXPECT_THAT(error_of({"--spool", ""}), HasSubstr("--spool"));
  EXPECT_THAT(error_of({"--slot", "3"}), HasSubstr("--slots"));
  EXPECT_THAT(error_of({"stray"}), ::testing::Not("taken"));
  EXPECT_THAT(error_of({"--autodriver", "/no/such"}), ::testing::Not("taken"));
}

}  // namespace
}  // namespace milonga::runner
