// milonga cancel ID
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "cli/command.h"

namespace milonga::cli {

Result<int> cancel(const Arguments& arguments) {
  const auto queue = TRY(open_queue(arguments));
  const std::string& word = arguments.words.front();
  const queue::JobId id = parse_id(word);
  const queue::CancelAnswer answer =
      id == 0 ? queue::CancelAnswer::unknown_id : TRY(queue->cancel(id, fmt::format("uid:{}", ::getuid())));
  if (answer == queue::CancelAnswer::unknown_id) return no_such_job(arguments, word);
  static constexpr const char* kNames[] = {"cancelled", "cancelling", "already_done"};
  static constexpr const char* kTexts[] = {"cancelled, it has not run", "being killed", "was done already"};
  const auto i = static_cast<std::size_t>(answer);
  if (arguments.json()) return print(fmt::format("{{\"id\":{},\"answer\":\"{}\"}}\n", id, kNames[i]));
  return print(fmt::format("job {}: {}\n", id, kTexts[i]));
}

}  // namespace milonga::cli
