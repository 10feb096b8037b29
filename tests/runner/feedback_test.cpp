// The feedback's header as Tango writes it.
#include "runner/feedback.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace milonga::runner {
namespace {

class Feedback : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/var/tmp/milonga-feedback-XXXXXX";
    claim_.work_dir = ::mkdtemp(pattern);
    claim_.job.name = "hello";
    claim_.job.id = 12;
  }
  void TearDown() override {
    ::unsetenv("TZ");
    std::filesystem::remove_all(claim_.work_dir);
  }
  std::string written(const char* zone) {
    ::setenv("TZ", zone, 1);
    EXPECT_TRUE(write_feedback(claim_, "Error: no", nullptr, {1'793'685'903'000, 1'793'685'904'999}));
    std::ifstream file(claim_.work_dir + "/feedback");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  queue::Claim claim_;
};

TEST_F(Feedback, TimesAreThoseOfTheDaemonsZoneInTheFormOfPythonsCtime) {
  EXPECT_EQ(written("UTC0"),
            "Autograder [Tue Nov  3 06:05:03 2026]: Received job hello:12\n"
            "Autograder [Tue Nov  3 06:05:04 2026]: Error: no\n"
            "Autograder [Tue Nov  3 06:05:04 2026]: Here is the output from the autograder:\n---\n");
  EXPECT_NE(written("EST5").find("[Tue Nov  3 01:05:03 2026]: Received"), std::string::npos);
}

}  // namespace
}  // namespace milonga::runner
