// milonga watch ID
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/terminal.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "cli/follow.h"

namespace milonga::cli {

Result<int> watch(const Arguments& arguments) {
  const auto queue = TRY(open_queue(arguments));
  const std::string& word = arguments.words.front();
  StatusLine line(STDOUT_FILENO);
  std::string last;
  const auto seen = [&](const queue::Status& status) {
    if (!arguments.json()) {
      if (status.state != queue::State::done)
        line.show(fmt::format("job {}: {}", status.job.id, sentence(status)));
      return;
    }
    std::string json = boost::json::serialize(to_json(status)) + "\n";
    if (json != last) (void)print(json);  // a reader that is gone is told at the end
    last = std::move(json);
  };
  const auto done = TRY(follow(*queue, parse_id(word), -1, seen));
  line.clear();
  if (!done) return no_such_job(arguments, word);
  const int exit_status = exit_status_of(verdict_of(*done));
  if (arguments.json()) return print("", exit_status);
  return print(fmt::format("job {}: {}\n", done->job.id, printable(sentence(*done))), exit_status);
}

}  // namespace milonga::cli
