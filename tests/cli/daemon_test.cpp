// milonga with a real daemon and real boxes: needs root.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "cli/command.h"
#include "tests/cli/program.h"

namespace milonga::test {
namespace {

class Daemon : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: boxes are built as root here";
    std::filesystem::create_directory(temporary / "lab");
    daemon_.emplace(std::vector<std::string>{"--spool", temporary / "spool", "--slots", "1", "--volatile"},
                    MILONGAD, Streams::merged);
    ASSERT_TRUE(daemon_->says("ready: spool"));
  }
  void TearDown() override {
    if (!daemon_) return;
    daemon_->signal(SIGTERM);
    EXPECT_EQ(daemon_->end().exit_status, 0);
  }

  std::vector<std::string> words(std::vector<std::string> rest) const {
    rest.insert(rest.begin(), {"--spool", temporary / "spool"});
    return rest;
  }
  Said ask(std::vector<std::string> rest) const { return milonga(words(std::move(rest))); }
  Said submit(const std::string& script, std::vector<std::string> options) const {
    options.insert(options.begin(), {"submit", temporary / "lab"});
    options.insert(options.end(), {"--command", "--", "sh", "-c", script});
    return ask(options);
  }

  TemporaryDirectory temporary;
  std::optional<Program> daemon_;
};

TEST_F(Daemon, GradesWhatIsSubmittedAndSubmitWaitsForIt) {
  const Said good = submit("echo '{\"scores\": {}}'", {"--wait", "--publish", temporary / "feedback"});
  EXPECT_EQ(good.exit_status, cli::kOk) << good.err;
  EXPECT_TRUE(good.out.ends_with("{\"scores\": {}}\n")) << good.out;
  EXPECT_EQ(read(temporary / "feedback"), good.out);
  EXPECT_EQ(submit("exit 3", {"--wait"}).exit_status, cli::kJobFailed);
  const Said slow = submit("sleep 60", {"--wait", "--wall-time", "0.3", "--json"});
  EXPECT_EQ(slow.exit_status, cli::kLimit);
  EXPECT_EQ(slow.json().at("verdict"), "wall_limit");
  const auto all = ask({"list", "--json"}).json();
  ASSERT_EQ(all.as_array().size(), 3u);
  EXPECT_EQ(all.as_array()[1].at("exit_code"), 3);
}

TEST_F(Daemon, OutputIsFollowedLiveAndARunningJobIsCancelled) {
  EXPECT_EQ(submit("echo begun; sleep 60", {}).out, "1\n");
  Program logs(words({"logs", "1", "-f"}));
  Program watcher(words({"watch", "1"}));
  ASSERT_TRUE(logs.says("begun\n"));
  EXPECT_TRUE(watcher.says("job 1: running\n"));
  EXPECT_EQ(ask({"cancel", "1", "--json"}).json().at("answer"), "cancelling");
  EXPECT_EQ(watcher.end().exit_status, cli::kCancelled);
  EXPECT_EQ(logs.end().exit_status, cli::kOk);
  EXPECT_EQ(ask({"status", "1"}).exit_status, cli::kCancelled);
}

TEST_F(Daemon, DoctorSeesItAlive) {
  const auto found = ask({"doctor", "--json"}).json();
  std::string spool;
  for (const auto& check : found.at("checks").as_array())
    if (check.at("name") == "spool") spool = boost::json::serialize(check);
  EXPECT_EQ(spool.find("no daemon"), std::string::npos) << spool;
  EXPECT_NE(spool.find("0 waiting"), std::string::npos) << spool;
}

}  // namespace
}  // namespace milonga::test
