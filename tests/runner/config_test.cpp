// The config file: what it takes, what it refuses and how; and that table, shipped file and man page are one.
#include "runner/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "runner/options.h"

namespace milonga::runner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(const std::string& text) {
  const auto read = parse_config(text, "f");
  return read ? "taken" : read.error().line();
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ConfigFile : public ::testing::Test {
 protected:
  ConfigFile() {
    char pattern[] = "/var/tmp/milonga-config-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    path_ = dir_ + "/milonga.toml";
  }
  ~ConfigFile() override { std::filesystem::remove_all(dir_); }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  Result<DaemonOptions> options(std::vector<const char*> more = {}) const {
    std::vector<const char*> argv = {"milongad", "--autodriver", "/bin/true", "--config", path_.c_str()};
    argv.insert(argv.end(), more.begin(), more.end());
    return parse_daemon_options(static_cast<int>(argv.size()), argv.data());
  }
  std::string dir_, path_;
};

TEST(Config, KeysOfAllKindsAreTakenWithTheirLine) {
  const auto read = parse_config(
      "spool = \"/s\"\n[runner]\nslots = 3\ngrace = 1.5\nvolatile = true\n\n[callbacks]\nallow = [\"a\", "
      "\"b:1\"]\n",
      "f");
  ASSERT_TRUE(read) << read.error().line();
  std::set<std::string> seen;
  for (const ConfigValue& v : *read)
    seen.insert(v.where + " " + v.setting->key + " " + ::testing::PrintToString(v.values));
  EXPECT_THAT(
      seen, ElementsAre("f:1 spool { \"/s\" }", "f:3 runner.slots { \"3\" }", "f:4 runner.grace { \"1.5\" }",
                        "f:5 runner.volatile { \"true\" }", "f:8 callbacks.allow { \"a\", \"b:1\" }"));
}

TEST(Config, AnUnknownKeyIsRefusedWithTheNearestKnownOne) {
  EXPECT_EQ(error_of("[runner]\nslot = 3\n"), "f:2: no key 'runner.slot' (did you mean 'runner.slots'?)");
  EXPECT_EQ(error_of("slots = 3\n"), "f:1: no key 'slots' (did you mean 'runner.slots'?)");
  EXPECT_EQ(error_of("\n[callback]\nallow = []\n"), "f:2: no table 'callback' (did you mean 'callbacks'?)");
  EXPECT_EQ(error_of("[runner.callbacks]\nallow = []\n"),
            "f:1: no table 'runner.callbacks' (did you mean 'callbacks'?)");
  EXPECT_THAT(error_of("[[runner]]\nslots = 3\n"),
              HasSubstr("f:1: runner is one table, not a list of them (write [runner])"));
}

TEST(Config, AnotherTypeIsRefusedWithAnExample) {
  EXPECT_EQ(error_of("spool = 3\n"), "f:1: spool must be a string (as in: spool = \"/var/spool/milonga\")");
  EXPECT_EQ(error_of("[runner]\nslots = \"3\"\n"), "f:2: runner.slots must be a number (as in: slots = 2)");
  EXPECT_EQ(error_of("runner.volatile = 1\n"),
            "f:1: runner.volatile must be true or false (as in: volatile = false)");
  EXPECT_EQ(error_of("callbacks.allow = \"a\"\n"),
            "f:1: callbacks.allow must be a list of strings (as in: allow = [])");
  EXPECT_EQ(error_of("callbacks.allow = [\"a\", 1]\n"),
            "f:1: callbacks.allow must be a list of strings (as in: allow = [])");
}

TEST(Config, WhatIsNoTomlIsRefusedWithItsLine) {
  EXPECT_THAT(error_of("spool = \"/s\"\nx = = 1\n"), HasSubstr("f:2: no TOML: "));
  EXPECT_THAT(error_of("spool = \"/s\"\nspool = \"/t\"\n"), HasSubstr("f:2: no TOML: "));
  EXPECT_THAT(error_of(std::string("spool = \"\xff\"\n")), HasSubstr("f:1: no TOML: "));
  EXPECT_EQ(error_of(""), "taken");
}

TEST_F(ConfigFile, AValueOutOfRangeIsNamedByFileLineAndKey) {
  write("[runner]\n\nslots = 900\n");
  const auto o = options();
  ASSERT_FALSE(o);
  EXPECT_EQ(o.error().line(), path_ + ":3: runner.slots '900' is not a number from 1 to 400");
  write("[callbacks]\nallow = [\"good\", \"b d\"]\n");
  EXPECT_THAT(options().error().line(), HasSubstr(path_ + ":2: callbacks.allow: 'b d' is neither a host"));
  write("runner.driver = \"locla\"\n");
  EXPECT_THAT(options().error().line(), HasSubstr(path_ + ":1: runner.driver: no driver is called 'locla'"));
}

TEST_F(ConfigFile, TheCommandLineGoesBeforeTheEnvironmentAndThatBeforeTheFile) {
  write("spool = \"/from/file\"\nrunner.slots = 3\nrunner.grace = 2.5\nrunner.volatile = true\n");
  ::unsetenv("MILONGA_SPOOL");
  EXPECT_EQ(options().value().spool, "/from/file");
  EXPECT_EQ(options().value().slots, 3u);
  EXPECT_EQ(options({"--slots", "5"}).value().slots, 5u);
  EXPECT_EQ(options().value().grace, std::chrono::milliseconds(2500));
  EXPECT_TRUE(options().value().allow_volatile);
  ::setenv("MILONGA_SPOOL", "/from/environment", 1);
  EXPECT_EQ(options().value().spool, "/from/environment");
  EXPECT_EQ(options({"--spool", "/x"}).value().spool, "/x");
  ::unsetenv("MILONGA_SPOOL");
  const char* argv[] = {"milongad", "--autodriver", "/bin/true"};
  ::setenv("MILONGA_CONFIG", path_.c_str(), 1);
  EXPECT_EQ(parse_daemon_options(3, argv).value().config, path_);
  ::setenv("MILONGA_CONFIG", (path_ + "x").c_str(), 1);
  EXPECT_THAT(parse_daemon_options(3, argv).error().line(),
              HasSubstr("cannot read the config '" + path_ + "x': No such file"));
  ::unsetenv("MILONGA_CONFIG");
}

TEST_F(ConfigFile, OneThatOthersCanWriteIsRefused) {
  write("");
  EXPECT_TRUE(options());
  for (const mode_t mode : {0664, 0646}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    EXPECT_THAT(options().error().line(), HasSubstr("others may write '" + path_ + "'"));
  }
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  ASSERT_EQ(::chown(path_.c_str(), 12345, 0), 0);
  EXPECT_FALSE(options());
}

// The shipped file with every key uncommented: each is known, has the right type, and has the table's
// default.
TEST(Config, TheShippedFileHasEveryKeyWithItsDefaultAndNoOther) {
  const std::string shipped = read_file(MILONGA_SOURCE_DIR "/packaging/milonga.toml");
  EXPECT_EQ(error_of(shipped), "taken");
  EXPECT_TRUE(parse_config(shipped, "f").value().empty()) << "as it is shipped it sets nothing";
  const std::string active = std::regex_replace(shipped, std::regex("(^|\n)#([a-z_]+ = )"), "$1$2");
  const auto read = parse_config(active, "f");
  ASSERT_TRUE(read) << read.error().line();
  std::set<std::string> keys;
  for (const ConfigValue& v : *read) {
    keys.insert(v.setting->key);
    const std::string key = v.setting->key, name = key.substr(key.rfind('.') + 1);
    EXPECT_THAT(shipped, HasSubstr("\n#" + name + " = " + v.setting->fallback + "\n")) << key;
  }
  EXPECT_EQ(keys.size(), settings().size());
  for (const Setting& s : settings()) EXPECT_TRUE(keys.contains(s.key)) << s.key;
}

TEST(Config, TheManPageHasEveryKeyInItsTableWithItsOptionAndNoOther) {
  const std::string page = read_file(MILONGA_SOURCE_DIR "/docs/man/milonga.toml.5.scd");
  const std::regex line("\n(?:## \\[([a-z]+)\\]|\\*([a-z_]+)\\* = |[^\n]*\\(\\*--([a-z-]+)\\*\\))");
  std::string table, key;
  std::set<std::string> documented;
  for (std::sregex_iterator at(page.begin(), page.end(), line), end; at != end; ++at) {
    if ((*at)[1].matched) table = (*at)[1].str() + ".";
    if ((*at)[2].matched) key = table + (*at)[2].str();
    if ((*at)[3].matched) documented.insert(key + " --" + (*at)[3].str());
  }
  std::set<std::string> known;
  for (const Setting& s : settings()) known.insert(std::string(s.key) + " --" + s.option);
  EXPECT_EQ(documented, known);
}

}  // namespace
}  // namespace milonga::runner
