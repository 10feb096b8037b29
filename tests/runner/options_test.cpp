// milongad's command line: each bad value is one line that names the option.
#include "runner/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
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

// "--slots" of each "--slots" that a text has.
std::set<std::string> long_options_in(const std::string& text) {
  std::set<std::string> found;
  for (std::size_t at = 0; (at = text.find("--", at)) != std::string::npos;) {
    const std::size_t end = std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at), text.size());
    if (end > at + 3) found.insert(text.substr(at, end - at));
    at = end;
  }
  return found;
}

TEST(ManPage, NamesTheOptionsOfTheDaemonAndNoOthers) {
  std::ifstream file(MILONGA_SOURCE_DIR "/docs/man/milongad.8.scd");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  // The examples are of other programs too.
  std::set<std::string> documented = long_options_in(page.substr(0, page.find("# EXAMPLES")));
  const char* argv[] = {"milongad", "--help"};
  const auto help = parse_daemon_options(2, argv);
  ASSERT_TRUE(help);
  std::set<std::string> known = long_options_in(*help->print);
  EXPECT_GT(known.size(), 8u);
  EXPECT_EQ(documented, known);
}

}  // namespace
}  // namespace milonga::runner
