#include "cli/describe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/core/unique_fd.h"
#include "base/terminal.h"
#include "cli/command.h"

namespace milonga::cli {
namespace {

TEST(Sentence, SaysHowItEndedAndLeavesOutWhatIsUnknown) {
  ReportView report;
  report.verdict = Verdict::failed;
  report.exit_code = 2;
  EXPECT_EQ(sentence(report), "failed, exit status 2,");
  report.wall_s = 0.314;
  report.cpu_s = 0.25;
  report.memory_peak_bytes = 41 * kMiB;
  EXPECT_EQ(sentence(report), "failed, exit status 2, in 0.31 s, cpu 0.25 s, peak 41.0 MiB");
  report.output_bytes = 2 * kMiB;
  report.output_kept_bytes = kMiB;
  report.forks_refused = 3;
  EXPECT_EQ(sentence(report),
            "failed, exit status 2, in 0.31 s, cpu 0.25 s, peak 41.0 MiB, 3 forks refused, output cut from "
            "2.0 MiB");
}

TEST(Sentence, OfAnErrorIsTheErrorOnly) {
  ReportView report;
  report.verdict = Verdict::refused;
  report.error = "cgroup: no memory controller";
  report.wall_s = 1;
  EXPECT_EQ(sentence(report), "refused: cgroup: no memory controller");
}

TEST(ExitStatus, EachVerdictHasOne) {
  for (std::size_t i = 0; i < kVerdictCount; ++i) {
    const auto verdict = static_cast<Verdict>(i);
    EXPECT_EQ(exit_status_of(verdict) == kOk, verdict == Verdict::ok) << verdict_name(verdict);
    EXPECT_EQ(exit_status_of(verdict) == kLimit, std::string_view(verdict_name(verdict)).ends_with("_limit"));
  }
}

TEST(Verdict, OfAJobThatWasGivenUpIsAnErrorOfOurs) {
  queue::Status status;
  status.state = queue::State::done;
  status.result.emplace();
  status.result->outcome = queue::Outcome::gave_up;
  status.result->reason = "the box host was lost 3 times";
  EXPECT_EQ(verdict_of(status), Verdict::internal_error);
  EXPECT_EQ(sentence(status), "internal_error: the box host was lost 3 times");
}

TEST(Verdict, OfABrokenReportIsAnErrorOfOursAndNeverOk) {
  queue::Status status;
  status.state = queue::State::done;
  status.result.emplace();
  status.result->report_json = "{\"verdict\":\"ok\"}";
  EXPECT_EQ(verdict_of(status), Verdict::internal_error);
}

TEST(Printable, ReplacesWhatMovesACursorAndKeepsLetters) {
  EXPECT_EQ(printable("a\033[2Jb\nc\x7f"), "a?[2Jb?c?");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "?31m");
  EXPECT_EQ(printable("Zoë \xe2\x82\xac"), "Zoë \xe2\x82\xac");
  EXPECT_EQ(printable("\xc2"), "\xc2");
}

TEST(StatusLine, IsRedrawnOnATerminalAndCutToItsWidth) {
  ::setenv("TERM", "xterm", 1);
  ::unsetenv("NO_COLOR");
  const UniqueFd screen(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(screen.valid() && ::grantpt(screen.get()) == 0 && ::unlockpt(screen.get()) == 0);
  const UniqueFd terminal(::open(::ptsname(screen.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  const winsize narrow{24, 8, 0, 0};
  ASSERT_EQ(::ioctl(terminal.get(), TIOCSWINSZ, &narrow), 0);
  StatusLine line(terminal.get());
  line.show("waiting, 3 before it");
  line.show("running");
  line.show("running");
  line.clear();
  std::array<char, 256> seen{};
  const ssize_t n = ::read(screen.get(), seen.data(), seen.size());
  EXPECT_EQ(std::string(seen.data(), n > 0 ? static_cast<std::size_t>(n) : 0),
            "\r\033[Kwaiting\r\033[Krunning\r\033[K");
}

}  // namespace
}  // namespace milonga::cli
