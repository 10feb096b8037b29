// Tango's config.py, keys, and the command line.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "rest/keyring.h"
#include "rest/options.h"
#include "rest/tango_config.h"

namespace milonga::rest {
namespace {

using testing::Contains;
using testing::HasSubstr;

TEST(TangoConfig, ReadsWhatItsTemplateHas) {
  ::unsetenv("RESTFUL_KEY");
  const auto config = read_tango_config(R"(
import os
class Config(object):
    DEFAULT_PREFIX = "local"
    PREFIX = os.getenv("DOCKER_DEPLOYMENT", DEFAULT_PREFIX).lower()
    PORT = 3001   # the REST port
    LOGLEVEL = logging.DEBUG
    COURSELABS = 'labs # not a comment'
    DEFAULT_KEY = "test"
    KEYS = [os.getenv("RESTFUL_KEY", DEFAULT_KEY),
            "second",  # another
           ]
    RUNJOB_TIMEOUT = 90
    DOCKER_MEMORY_LIMIT = None  # in MB
    MAX_INPUT_FILE_SIZE = 10 * 1024 * 1024 * 1024
    MAX_OUTPUT_FILE_SIZE = 500 * 1024
    VM_ULIMIT_USER_PROC = 100
    start_time = time.time()
    MY_OWN = whatever()
)");
  ASSERT_TRUE(config) << config.error().line();
  EXPECT_EQ(config->port, 3001);
  EXPECT_EQ(config->courselabs, "labs # not a comment");
  EXPECT_EQ(config->keys, (std::vector<std::string>{"test", "second"}));
  EXPECT_EQ(config->runjob_timeout, 90);
  EXPECT_FALSE(config->memory_mb);
  EXPECT_EQ(config->max_input, std::int64_t{10} << 30);
  EXPECT_EQ(config->max_output, 512000);
  EXPECT_EQ(config->processes, 100);
  EXPECT_THAT(config->notes, Contains(HasSubstr("no effect: LOGLEVEL (")));
  EXPECT_THAT(config->notes, Contains(HasSubstr("no effect: MY_OWN (not known)")));
  EXPECT_THAT(config->notes, Contains(HasSubstr("no effect: DEFAULT_PREFIX, PREFIX (")));
  for (const std::string& note : config->notes) EXPECT_EQ(note.find("PORT"), std::string::npos) << note;
}

TEST(TangoConfig, TheEnvironmentIsAskedAsTangoDoes) {
  ::setenv("RESTFUL_KEY", "from-env", 1);
  const auto config = read_tango_config("KEYS = [os.getenv('RESTFUL_KEY', 'test')]\n");
  ::unsetenv("RESTFUL_KEY");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->keys, std::vector<std::string>{"from-env"});
}

// Nothing is guessed of what we use, and nothing is run.
TEST(TangoConfig, WhatItUsesMustBePlain) {
  for (const char* text : {"PORT = port()", "PORT = 3000 - 1", "PORT = 'x'", "PORT = 1 2", "PORT =", "PORT = -1", "PORT = 3.5",
                           "KEYS = 'test'", "KEYS = [1]", "KEYS = ['a'", "KEYS = [os.getenv('NO_SUCH_VARIABLE_HERE')]",
                           "COURSELABS = __import__('os').system('true')", "COURSELABS = 'a\\x'", "MAX_OUTPUT_FILE_SIZE = 9999999999 * 9999999999",
                           "PORT = 99999999999999999999"})
    EXPECT_FALSE(read_tango_config(text)) << text;
}

TEST(TangoConfig, NeitherNestingNorDoublingTakesTheProgramDown) {
  std::string doubled = "A = [1]\n";
  for (int i = 0; i < 40; ++i) doubled += "A = [A, A]\n";
  std::string nested, calls;
  for (int i = 0; i < 200'000; ++i) (nested += '[', calls += "os.getenv(");
  for (const std::string& text : {doubled, "A = " + nested + "\n", "A = " + calls + "\n"}) EXPECT_TRUE(read_tango_config(text));
  EXPECT_FALSE(read_tango_config("PORT = " + calls + "\n"));
}

class Keys : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(path_), nullptr);
    ::unsetenv("RESTFUL_KEY");
    ::unsetenv("MILONGA_REST_KEY");
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  std::string file(const std::string& text, mode_t mode) {
    const std::string path = std::string(path_) + "/keys";
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  char path_[32] = "/tmp/milonga-keys.XXXXXX";
};

TEST_F(Keys, EachByItsId) {
  Keyring keys;
  ASSERT_TRUE(keys.add_file(file("# ours\n\nautolab-key\ncs101 other\ncs101 newer\n", 0640)));
  EXPECT_EQ(keys.find("other")->id, "cs101");
  EXPECT_EQ(keys.find("newer")->id, "cs101");
  EXPECT_EQ(keys.find("autolab-key")->id.size(), 8u);
  for (const char* wrong : {"", "othe", "other ", "Other", "cs101", "cs101 other", "# ours"}) EXPECT_FALSE(keys.find(wrong)) << wrong;
}

TEST_F(Keys, AFileThatEverybodyReadsIsRefused) {
  Keyring keys;
  EXPECT_FALSE(keys.add_file(file("k\n", 0644)));
  EXPECT_FALSE(keys.add_file(file("a b c\n", 0600)));
  EXPECT_FALSE(keys.add_file(file("../x key\n", 0600)));
  EXPECT_FALSE(keys.add_file("/nonexistent"));
}

Result<ServerOptions> options(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "milonga-rest");
  return parse_server_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST_F(Keys, NoServerWithoutAKey) {
  EXPECT_FALSE(options({}));
  EXPECT_TRUE(options({"--key", "k"}));
  ::setenv("MILONGA_REST_KEY", "e", 1);
  EXPECT_TRUE(options({})->keys.find("e"));
  EXPECT_FALSE(options({"--key", "k"})->keys.find("e"));  // what is named is all there is
}

TEST_F(Keys, TangosDefaultKeyIsWarnedOf) {
  EXPECT_THAT(options({"--key", "test"})->notes, Contains(HasSubstr("everybody knows")));
  EXPECT_TRUE(options({"--key", "other"})->notes.empty());
}

TEST_F(Keys, Listen) {
  EXPECT_EQ(options({"--key", "k", "--listen", "[::1]:80"})->listen[0].address, "::1");
  EXPECT_EQ(options({"--key", "k", "--listen", ":0"})->listen[0].address, "::");
  EXPECT_EQ(options({"--key", "k", "--listen", "10.0.0.1:3000"})->listen[0].port, 3000);
  for (const char* bad : {"3000", "h:", "h:x", "h:65536", "", "unix:", "tls:h", "tls::1"}) EXPECT_FALSE(options({"--key", "k", "--listen", bad})) << bad;
}

TEST_F(Keys, ListensInSeveralPlaces) {
  const auto o = options({"--key", "k", "--listen", "unix:/x/y", "--listen", "tls:[::]:443", "--tls-certificate", "c", "--tls-key", "k"});
  ASSERT_TRUE(o);
  ASSERT_EQ(o->listen.size(), 2u);
  EXPECT_EQ(o->listen[0].unix_path, "/x/y");
  EXPECT_TRUE(o->listen[1].tls);
  EXPECT_EQ(o->listen[1].port, 443);
  EXPECT_FALSE(options({"--key", "k", "--listen", "tls:[::]:443"}));  // without a certificate
}

TEST(Keyring, AHashOfAKeyOpensByTheKeyOnly) {
  const auto made = make_key("ann");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->key.size(), 64u);
  EXPECT_EQ(made->line.find(made->key), std::string::npos);
  Keyring keys;
  ASSERT_TRUE(keys.add(made->line + " labs=cs101-*,demo"));
  const auto access = keys.find(made->key);
  ASSERT_TRUE(access);
  EXPECT_EQ(access->id, "ann");
  EXPECT_FALSE(keys.find(made->line.substr(4)));  // the hash is no key
  for (const char* may : {"cs101-hello", "cs101-", "demo"}) EXPECT_TRUE(access->may(may)) << may;
  for (const char* not_his : {"cs102-hello", "demos", "", "xcs101-hello"}) EXPECT_FALSE(access->may(not_his)) << not_his;
  EXPECT_TRUE(access->may_lane("ann-cs101-hello"));
  EXPECT_FALSE(access->may_lane("bob-cs101-hello"));
  EXPECT_FALSE(access->everything());
  for (const char* bad : {"ann sha256:12", "ann sha256:", "ann key labs=", "ann key lab=x", "ann key labs=x y", "a-b key"})
    EXPECT_FALSE(keys.add(bad)) << bad;
}

TEST_F(Keys, OptionsOfItsOwnComeBeforeTangos) {
  const std::string config = file("PORT = 3005\nMAX_OUTPUT_FILE_SIZE = 1000\nKEYS = ['t']\nVM_ULIMIT_USER_PROC = 77\nJOB_RETRIES = 2\n", 0644);
  const auto o = options({"--tango-config", config.c_str(), "--max-output", "2K"});
  ASSERT_TRUE(o) << o.error().line();
  EXPECT_EQ(o->listen[0].port, 3005);
  EXPECT_EQ(o->max_output, 2048u);
  EXPECT_TRUE(o->keys.find("t"));
  EXPECT_EQ(o->job_options.at("pids"), "77");
  EXPECT_THAT(o->notes, Contains(HasSubstr("no effect: JOB_RETRIES (milongad")));
  EXPECT_FALSE(options({"--tango-config", config.c_str(), "--key", "k"})->keys.find("t"));
}

TEST_F(Keys, Images) {
  const auto o = options({"--key", "k", "--image", "rhel", "--image", "cs/c:1=/srv/images/c", "--image", "*=default"});
  ASSERT_TRUE(o);
  EXPECT_EQ(o->images.at("rhel"), "rhel");
  EXPECT_EQ(o->images.at("cs/c:1"), "/srv/images/c");
  EXPECT_EQ(o->images.at("*"), "default");
  for (const char* bad : {"*", "a=*", "=x", "a=", "../a"}) EXPECT_FALSE(options({"--key", "k", "--image", bad})) << bad;
}

TEST_F(Keys, AnUnknownOptionIsNamedWithTheNearest) {
  const auto o = options({"--key", "k", "--courselab", "x"});
  ASSERT_FALSE(o);
  EXPECT_THAT(o.error().line(), HasSubstr("--courselabs"));
}

}  // namespace
}  // namespace milonga::rest
