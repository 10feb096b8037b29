// milonga run and doctor with real boxes: needs root.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "cli/command.h"
#include "sandbox/model/evidence.h"
#include "tests/cli/program.h"

namespace milonga::test {
namespace {

class Run : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: boxes are built as root here";
  }
  TemporaryDirectory temporary;
};

Said shell(const std::string& script, std::vector<std::string> options = {}) {
  options.insert(options.begin(), "run");
  options.insert(options.end(), {"--command", "--", "sh", "-c", script});
  return milonga(options);
}

TEST_F(Run, GradesADirectoryWithItsFeedbackOnStdoutAndItsVerdictOnStderr) {
  std::filesystem::create_directory(temporary / "lab");
  write(temporary / "lab/Makefile", "all:\n\t@echo '{\"scores\": {\"a\": 5}}'\n");
  const Said said = milonga({"run", temporary / "lab", "--report", temporary / "report"});
  EXPECT_EQ(said.exit_status, cli::kOk) << said.err;
  EXPECT_EQ(said.out, "{\"scores\": {\"a\": 5}}\n");
  EXPECT_TRUE(said.err.starts_with("milonga: ok in ")) << said.err;
  EXPECT_EQ(boost::json::parse(read(temporary / "report")).at("verdict"), "ok");
}

TEST_F(Run, ExitsWithWhatBecameOfTheJob) {
  EXPECT_EQ(shell("exit 7").exit_status, cli::kJobFailed);
  EXPECT_EQ(shell("kill -SEGV $$").exit_status, cli::kJobFailed);
  EXPECT_EQ(shell("sleep 60", {"--wall-time", "0.3"}).exit_status, cli::kLimit);
  EXPECT_EQ(shell("while :; do :; done", {"--cpu-time", "0.3"}).exit_status, cli::kLimit);
  EXPECT_EQ(milonga({"run", temporary / "none"}).exit_status, cli::kFailed);
  EXPECT_EQ(shell("true", {"--image", temporary / "none"}).exit_status, cli::kFailed);
}

TEST_F(Run, SaysWhichLimitWasHitByWhichMechanism) {
  const Said said = shell("while :; do :; done", {"--cpu-time", "0.3"});
  EXPECT_TRUE(said.err.starts_with("milonga: cpu_limit after ")) << said.err;
  EXPECT_NE(said.err.find(" by cgroup v"), std::string::npos) << said.err;
}

TEST_F(Run, WithJsonTheReportIsOnStdoutAndTheFeedbackOnStderr) {
  const Said said = shell("echo feedback", {"--json"});
  EXPECT_EQ(said.json().at("verdict"), "ok");
  EXPECT_EQ(said.err, "feedback\n");
}

TEST_F(Run, ATerminatedRunIsCancelledWithItsBox) {
  Program program({"run", "--command", "--", "sh", "-c", "echo begun; sleep 60"});
  ASSERT_TRUE(program.says("begun"));
  program.signal(SIGTERM);
  const Said said = program.end();
  EXPECT_EQ(said.exit_status, cli::kCancelled);
  EXPECT_TRUE(said.err.starts_with("milonga: cancelled")) << said.err;
}

TEST_F(Run, AReportFromAnEarlierRunIsNotTakenForThisOnes) {
  shell("true", {"--report", temporary / "report"});
  ASSERT_TRUE(std::filesystem::exists(temporary / "report"));
  EXPECT_EQ(shell("exit 1", {"--report", temporary / "report"}).exit_status, cli::kJobFailed);
  EXPECT_EQ(boost::json::parse(read(temporary / "report")).at("verdict"), "failed");
}

TEST_F(Run, DoctorTellsOfEachDemandWhatABoxGot) {
  const Said said = milonga({"doctor", "--json", "--spool", temporary / "none"});
  const auto found = said.json();
  EXPECT_EQ(found.at("box_built"), true) << said.out;
  for (const char* demand : kDemandNames)
    EXPECT_NE(found.at("demands").at(demand).at("rung"), "none") << demand;
  EXPECT_EQ(said.exit_status, found.at("strong").as_bool() ? cli::kOk : cli::kJobFailed);
  for (const auto& check : found.at("checks").as_array())
    EXPECT_TRUE(check.at("level") == "ok" || check.at("hint").is_string()) << check;
}

}  // namespace
}  // namespace milonga::test
