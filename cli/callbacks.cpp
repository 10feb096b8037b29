// milonga callbacks list|retry
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <ctime>

#include "base/nearest.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "queue/outbox.h"

namespace milonga::cli {
namespace {

using queue::Callback;
using queue::CallbackState;

// Where it goes, without the query: that is a password.
std::string target_of(const queue::Status& status) {
  return status.job.callback_url.substr(0, status.job.callback_url.find_first_of("?#"));
}

boost::json::object to_json(const Callback& c, const std::string& target) {
  const auto time = [](std::int64_t ms) { return ms == 0 ? boost::json::value() : boost::json::value(ms); };
  boost::json::object out{
      {"id", c.id}, {"state", callback_state_name(c.state)}, {"url", target}, {"tries", c.tries}};
  out["due_ms"] = c.state == CallbackState::owed ? time(c.due_ms) : nullptr;
  out["tried_ms"] = time(c.at_ms);
  out["last"] = c.last.empty() ? boost::json::value() : boost::json::value(c.last);
  return out;
}

std::string when(const Callback& c) {
  const std::int64_t seconds = c.due_ms / 1000 - std::int64_t{std::time(nullptr)};
  if (c.state != CallbackState::owed) return "-";
  return seconds <= 0 ? "now" : fmt::format("in {} s", seconds);
}

Result<queue::Outbox*> outbox_of(queue::Queue& queue) {
  queue::Outbox* outbox = queue.outbox();
  if (outbox == nullptr) return fail("this queue keeps no callbacks");
  return outbox;
}

// The jobs that were named, or with --all those that were given up.
Result<std::vector<queue::JobId>> chosen(const Arguments& arguments, queue::Outbox& outbox) {
  std::vector<queue::JobId> ids;
  for (const std::string& word : arguments.words) ids.push_back(parse_id(word));
  if (arguments.has("all"))
    for (const Callback& c : TRY(outbox.list()))
      if (c.state == CallbackState::given_up) ids.push_back(c.id);
  return ids;
}

}  // namespace

Result<int> callbacks_list(const Arguments& arguments) {
  const auto queue = TRY(open_queue(arguments));
  queue::Outbox* outbox = TRY(outbox_of(*queue));
  boost::json::array all;
  std::string text =
      fmt::format("{:>6}  {:<9} {:>5}  {:<10} {:<40}  {}\n", "ID", "STATE", "TRIES", "NEXT", "URL", "LAST");
  for (const Callback& c : TRY(outbox->list())) {
    const auto status = TRY(queue->find(c.id));
    const std::string target = status ? target_of(*status) : "";
    all.push_back(to_json(c, target));
    text += fmt::format("{:>6}  {:<9} {:>5}  {:<10} {:<40}  {}\n", c.id, callback_state_name(c.state),
                        c.tries, when(c), printable(target), printable(c.last.empty() ? "-" : c.last));
  }
  return print(arguments.json() ? boost::json::serialize(all) + "\n" : text);
}

Result<int> callbacks_retry(const Arguments& arguments) {
  if (arguments.words.empty() != arguments.has("all"))
    return complain("callbacks retry: name jobs, or give --all for those that were given up", kUsage);
  const auto queue = TRY(open_queue(arguments));
  queue::Outbox& outbox = *TRY(outbox_of(*queue));
  const std::vector<queue::JobId> ids = TRY(chosen(arguments, outbox));
  for (std::size_t i = 0; i < ids.size(); ++i) {  // all of them are looked at before one is touched
    const auto status = TRY(queue->find(ids[i]));
    if (!status) return no_such_job(arguments, arguments.words[i]);
    if (status->state != queue::State::done)
      return complain(fmt::format("job {} is not done yet: its callback is sent when it is", ids[i]), kUsage);
    if (status->job.callback_url.empty())
      return complain(
          fmt::format("job {} has no callback (milonga submit --callback URL gives it one)", ids[i]), kUsage);
  }
  boost::json::array sent;
  for (const queue::JobId id : ids) {
    TRY(outbox.send_again(id));
    sent.push_back(id);
  }
  if (arguments.json()) return print(boost::json::serialize(boost::json::object{{"again", sent}}) + "\n");
  return print(fmt::format("{} to send again (milonga callbacks list)\n", ids.size()));
}

}  // namespace milonga::cli
