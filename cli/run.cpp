// milonga run DIRECTORY: one job in the foreground, without queue or daemon.
#include <unistd.h>

#include <boost/json.hpp>

#include "base/output_file.h"
#include "cli/autodriver_process.h"
#include "cli/command.h"
#include "cli/describe.h"

namespace milonga::cli {
namespace {

constexpr int kAutodriverFailed = 3;  // autodriver(1), EXIT STATUS

std::vector<std::string> autodriver_words(const Arguments& arguments) {
  std::vector<std::string> words = autodriver_arguments(arguments.box);
  // "./" keeps a directory that is called gc or begins with '-' from being taken for something else.
  for (const std::string& directory : arguments.words)
    words.push_back(directory.starts_with('/') ? directory : "./" + directory);
  if (!arguments.argv.empty()) {
    words.insert(words.end(), {"--command", "--"});
    words.insert(words.end(), arguments.argv.begin(), arguments.argv.end());
  }
  return words;
}

}  // namespace

Result<int> run(const Arguments& arguments) {
  const int feedback_to = arguments.json() ? STDERR_FILENO : STDOUT_FILENO;
  // Before the run: that it cannot be written is not told after an hour of grading.
  UniqueFd report_to;
  if (arguments.has("report")) report_to = TRY(open_output(arguments.get("report")));
  const AutodriverRun ran = TRY(run_autodriver(autodriver_words(arguments), feedback_to));
  if (report_to.valid()) TRY(write_output(report_to.get(), ran.report_json, arguments.get("report")));
  const auto report = parse_report(ran.report_json);
  if (!report) {
    const std::string why = ran.messages.empty() ? "autodriver ended without a report" : ran.messages;
    return complain(why.substr(0, why.find('\n')), kFailed);
  }
  int exit_status = exit_status_of(report->verdict);
  // The job was judged, and yet autodriver failed: its output could not be written.
  const bool judged = exit_status != kFailed && exit_status != kCancelled;
  if (judged && ran.exit_status == kAutodriverFailed) {
    const std::string why = ran.messages.substr(0, ran.messages.find('\n'));
    if (!arguments.json()) return complain(sentence(*report) + "; " + why, kFailed);
    exit_status = complain(why, kFailed);
  }
  if (!arguments.json()) return complain(sentence(*report), exit_status);
  const boost::json::value parsed =
      boost::json::parse(ran.report_json);  // parse_report has read it: cannot throw
  return print(boost::json::serialize(parsed) + "\n", exit_status);
}

}  // namespace milonga::cli
