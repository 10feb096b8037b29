// autodriver: runs one job in a box. Tango's program of this name, with the same
// four options, messages and exit codes, and more options.
//
// This is the front: it parses, reads the job's files, compiles nothing and
// decides nothing that needs privilege. autodriver-core builds the box.
//
// Exit status: 0 the job ran to its end or hit another limit than the time;
// 1 bad usage; 2 the job timed out; 3 refused, cancelled, or the system failed.
//
// Privilege: none (the caller's).
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "autodriver/audit.h"
#include "autodriver/command_line.h"
#include "autodriver/learn.h"
#include "autodriver/report.h"
#include "autodriver/run.h"
#include "autodriver/selftest.h"

namespace milonga {
namespace {

// A closed 0, 1 or 2 would be given to the next file that is opened, and our
// messages would end up in it.
void open_standard_descriptors() {
  while (true) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd < 0 || fd > STDERR_FILENO) {
      if (fd >= 0) ::close(fd);
      return;
    }
  }
}

int complain(const std::string& what, int exit_code) {
  std::fprintf(stderr, "autodriver: %s\n", what.c_str());
  return exit_code;
}

int say(const std::string& text) {
  return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 3 : 0;
}

int run(CommandLine line) {
  Result<ReportFile> report;
  if (!line.report_file.empty()) report = ReportFile::prepare(line.report_file);
  if (!report) return complain(report.error().line(), 3);
  RunResult result = run_job(line);
  if (result.no_job) return 0;
  if (line.warm && !line.report_file.empty()) report = ReportFile::prepare(line.report_file);
  if (!report) return complain(report.error().line(), 3);
  const Response& answer = result.outcome.response;
  if (!line.report_file.empty() && answer.dead_ns != 0) result.outcome.selftest = find_selftest(answer.kind);
  if (!result.complaint.empty()) complain(result.complaint, 0);
  if (line.report_file.empty()) return result.exit_code;
  const Result<> written = report->write(result.outcome);
  return written ? result.exit_code : complain(written.error().line(), 3);
}

int collect_garbage() {
  const Result<> collected = collect();
  return collected ? 0 : complain(collected.error().line(), 3);
}

}  // namespace
}  // namespace milonga

int main(int argc, char** argv) {
  using namespace milonga;
  open_standard_descriptors();
  if (argc > 1 && std::strcmp(argv[1], "selftest") == 0) return selftest({argv + 2, argv + argc});
  if (argc > 1 && std::strcmp(argv[1], "audit") == 0) return audit({argv + 2, argv + argc});
  if (argc > 1 && std::strcmp(argv[1], "learn") == 0) return learn({argv + 2, argv + argc});
  const auto line = parse_command_line({argv + (argc > 0 ? 1 : 0), argv + argc});
  if (!line) return complain(line.error().line(), 1);
  switch (line->action) {
    case CommandLine::Action::help:
      return say(help_text());
    case CommandLine::Action::version:
      return say(version_text());
    case CommandLine::Action::collect:
      return collect_garbage();
    case CommandLine::Action::run:
      return run(*line);
  }
}
