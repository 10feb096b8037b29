// milonga logs ID [--follow]
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/core/unique_fd.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "cli/farewell.h"
#include "cli/follow.h"

namespace milonga::cli {
namespace {

Result<> copy_so_far(const queue::Status& status) {
  if (status.result) return copy_feedback(status, STDOUT_FILENO);
  if (status.state != queue::State::running) return {};
  const UniqueFd file(::open(status.live_output.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.valid()) TRY(copy_rest(file.get(), STDOUT_FILENO));
  return {};
}

// Where the text is, for programs: it may be anything, so it does not go into JSON.
Result<int> where(const queue::Status& status) {
  boost::json::object out;
  const std::string path = status.result ? status.result->feedback_path : status.live_output;
  out["id"] = status.job.id;
  out["state"] = state_name(status.state);
  out["path"] = path.empty() ? boost::json::value(nullptr) : boost::json::value(path);
  out["complete"] = status.result.has_value();
  return print(boost::json::serialize(out) + "\n");
}

}  // namespace

Result<int> logs(const Arguments& arguments) {
  const auto queue = TRY(open_queue(arguments));
  const std::string& word = arguments.words.front();
  const queue::JobId id = parse_id(word);
  const bool follows = arguments.has("follow");
  const auto ignore = [](const queue::Status&) {};
  std::optional<Farewell> farewell;
  if (follows)
    farewell.emplace(fmt::format("job {} goes on, its output is only not followed any more", word));
  const auto status =
      TRY(follows ? follow(*queue, id, arguments.json() ? -1 : STDOUT_FILENO, ignore) : queue->find(id));
  if (!status) return no_such_job(arguments, word);
  if (arguments.json()) return where(*status);
  if (!follows) TRY(copy_so_far(*status));
  if (status->state == queue::State::done && !status->result)
    return complain(fmt::format("job {}: {}", id, sentence(*status)), kFailed);
  if (status->result && status->result->feedback_path.empty())
    return complain(fmt::format("job {} has no feedback: {}", id, sentence(*status)), kOk);
  return kOk;
}

}  // namespace milonga::cli
