// milonga run and doctor with real boxes: needs root.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

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
  // As /dev/stdout is.
  std::string standard_output() const {
    const std::string link = temporary / "stdout";
    EXPECT_EQ(::symlink("/proc/self/fd/1", link.c_str()), 0);
    return link;
  }
  std::string device(const char* name, unsigned minor) const {
    EXPECT_EQ(::mknod((temporary / name).c_str(), S_IFCHR | 0666, makedev(1, minor)), 0);
    return temporary / name;
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

// A device, a FIFO or a link that is named for the report is written to, not replaced.
// Devices of our own: those of the machine must outlive a red test.
TEST_F(Run, TheReportIsWrittenToWhateverItsFileIs) {
  struct stat info {};
  const std::string null = device("null", 3), fifo = temporary / "fifo", link = temporary / "link";
  EXPECT_EQ(shell("true", {"--report", null}).exit_status, cli::kOk);
  ASSERT_EQ(::lstat(null.c_str(), &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));

  write(temporary / "kept", "an old report, longer than nothing\n");
  ASSERT_EQ(::symlink((temporary / "kept").c_str(), link.c_str()), 0);
  EXPECT_EQ(shell("exit 1", {"--report", link}).exit_status, cli::kJobFailed);
  ASSERT_EQ(::lstat(link.c_str(), &info), 0);
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  EXPECT_EQ(boost::json::parse(read(temporary / "kept")).at("verdict"), "failed");

  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Program reader({fifo}, "/bin/cat");
  EXPECT_EQ(shell("true", {"--report", fifo}).exit_status, cli::kOk);
  EXPECT_EQ(reader.end().json().at("verdict"), "ok");

  const Said both = shell("echo feedback", {"--report", standard_output()});
  EXPECT_TRUE(both.out.starts_with("feedback\n{")) << both.out;
}

TEST_F(Run, AReportToStandardOutputStandsBehindTheFeedbackInAFile) {
  const std::string file = temporary / "all";
  const std::string run =
      MILONGA " run --report " + standard_output() + " --command -- echo feedback 2>/dev/null ";
  write(file, "before\n");
  EXPECT_EQ(std::system((run + ">>" + file).c_str()), 0);
  EXPECT_TRUE(read(file).starts_with("before\nfeedback\n{\"schema\"")) << read(file);
  EXPECT_EQ(std::system((run + ">" + file).c_str()), 0);
  EXPECT_TRUE(read(file).starts_with("feedback\n{\"schema\"")) << read(file);
}

TEST_F(Run, AReportThatCannotBeWrittenIsSaidBeforeTheJobRuns) {
  const Said said = shell("echo ran", {"--report", temporary / "none/report"});
  EXPECT_EQ(said.exit_status, cli::kFailed);
  EXPECT_TRUE(said.one_line_of_error()) << said.err << said.out;
  const std::string full = device("full", 7);
  const Said said_late = shell("true", {"--report", full});
  EXPECT_EQ(said_late.exit_status, cli::kFailed);
  EXPECT_NE(said_late.err.find(full), std::string::npos) << said_late.err;
}

TEST_F(Run, FeedbackThatNobodyReadsIsAFailureAndTheVerdictIsStillTold) {
  const std::string error = temporary / "error", status = temporary / "status";
  ASSERT_EQ(std::system(("(" MILONGA " run --command -- sh -c 'sleep 0.5; echo lost'; echo $? >" + status +
                         ") 2>" + error + " | :")
                            .c_str()),
            0);
  EXPECT_EQ(read(status), "3\n");
  EXPECT_TRUE(read(error).starts_with("milonga: ok in ")) << read(error);
  EXPECT_TRUE(read(error).ends_with("; autodriver: cannot write the output: Broken pipe\n")) << read(error);
}

TEST_F(Run, ATemporaryDirectoryThatIsNotThereIsNamed) {
  ::setenv("TMPDIR", "/nonexistent", 1);
  const Said said = shell("true");
  ::unsetenv("TMPDIR");
  EXPECT_EQ(said.exit_status, cli::kFailed);
  EXPECT_TRUE(said.one_line_of_error()) << said.err;
  EXPECT_NE(said.err.find("TMPDIR names no directory"), std::string::npos) << said.err;
}

TEST_F(Run, OutputBeyondItsLimitEndsTheJobIfThatIsAskedFor) {
  const Said said = shell("yes", {"--output", "1000", "--output-fatal", "--wall-time", "60"});
  EXPECT_EQ(said.exit_status, cli::kLimit);
  EXPECT_NE(said.err.find("milonga: output_limit after "), std::string::npos) << said.err;
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
