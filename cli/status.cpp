// milonga status [ID]
#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/terminal.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "queue/outbox.h"

namespace milonga::cli {
namespace {

// "delivered: status 204", or why it is still owed.
std::string callback_text(const queue::Callback& c) {
  const std::string said = c.last.empty() ? "" : ": " + c.last;
  if (c.state == queue::CallbackState::delivered) return "delivered" + said;
  return fmt::format("{}, {} tries{}", c.state == queue::CallbackState::owed ? "owed" : "given up", c.tries, said);
}

std::string text_of(const queue::Status& status, const std::optional<queue::Callback>& callback) {
  const queue::Job& job = status.job;
  std::string text = fmt::format("job {}: {}\n", job.id, printable(sentence(status)));
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<10} {}\n", name, printable(value));
  };
  line("name", job.name);
  line("lane", job.lane);
  line("image", job.image == "default" ? "" : job.image);
  line("runner", status.runner);
  if (status.result) {
    line("reason", status.result->reason);
    line("feedback", status.result->feedback_path);
  }
  line("callback", callback ? callback_text(*callback) : "");
  line("problem", status.publish_error);
  if (status.result) line("problem", status.record_error);  // else it is the first line
  return text;
}

Result<int> status_of_queue(const Arguments& arguments, queue::Queue& queue) {
  const queue::Stats stats = TRY(queue.stats());
  if (arguments.json()) {
    boost::json::object out;
    out["spool"] = arguments.spool;
    out["waiting"] = stats.waiting;
    out["running"] = stats.running;
    out["done"] = stats.done;
    out["bad"] = stats.bad;
    return print(boost::json::serialize(out) + "\n");
  }
  std::string text = sentence(stats) + "\n";
  if (stats.bad > 0)
    text += fmt::format("{} unreadable, see {}/bad\n", stats.bad, printable(arguments.spool));
  return print(text);
}

}  // namespace

Result<int> status(const Arguments& arguments) {
  const auto queue = TRY(open_queue(arguments));
  if (arguments.words.empty()) return status_of_queue(arguments, *queue);
  const std::string& word = arguments.words.front();
  const auto found = TRY(queue->find(parse_id(word)));
  if (!found) return no_such_job(arguments, word);
  const int exit_status = exit_status_of(*found);
  if (arguments.json()) return print(boost::json::serialize(to_json(*found)) + "\n", exit_status);
  std::optional<queue::Callback> callback;
  if (queue::Outbox* outbox = queue->outbox()) callback = TRY(outbox->find(found->job.id));
  return print(text_of(*found, callback), exit_status);
}

}  // namespace milonga::cli
