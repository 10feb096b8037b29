// milonga watch [ID]
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "base/terminal.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "cli/farewell.h"
#include "cli/follow.h"

namespace milonga::cli {
namespace {

// So many jobs are looked up at a time; later ones have their turn after these.
constexpr std::size_t kBatch = 100;

std::string end_of(const queue::Status& done) {
  return fmt::format("job {}: {}\n", done.job.id, printable(sentence(done)));
}

// For programs: a line with the job at each change.
class JsonLines {
 public:
  void tell(const queue::Status& status) {
    std::string line = boost::json::serialize(to_json(status)) + "\n";
    if (line != last_) (void)print(line);  // a reader that is gone is told at the end
    last_ = std::move(line);
  }

 private:
  std::string last_;
};

Result<int> watch_job(const Arguments& arguments, queue::Queue& queue, const std::string& word) {
  const Farewell farewell(fmt::format("job {} goes on, it is only not watched any more", word));
  StatusLine line(STDOUT_FILENO);
  JsonLines json;
  const auto seen = [&](const queue::Status& status) {
    if (arguments.json()) {
      json.tell(status);
    } else if (status.state != queue::State::done) {
      line.show(fmt::format("job {}: {}", status.job.id, sentence(status)));
    }
  };
  const auto done = TRY(follow(queue, parse_id(word), -1, seen));
  line.clear();
  if (!done) return no_such_job(arguments, word);
  return print(arguments.json() ? "" : end_of(*done), exit_status_of(*done));
}

struct Window {
  queue::JobId lowest = 0;  // that is not done; 0: all are
  queue::JobId newest = 0;
};

Result<Window> window_of(queue::Queue& queue) {
  Window window;
  for (const queue::Status& status : TRY(queue.list(kBatch))) {
    const queue::JobId id = status.job.id;
    window.newest = std::max(window.newest, id);
    if (status.state != queue::State::done && (window.lowest == 0 || id < window.lowest)) window.lowest = id;
  }
  return window;
}

// Follows one job after the other in the order of their numbers. The watch of one
// also wakes us when others move, and what was done meanwhile is told in its turn.
Result<int> watch_queue(const Arguments& arguments, queue::Queue& queue) {
  using namespace std::chrono;
  const std::int64_t begun_ms = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  const auto is_old = [&](const queue::Status& status) {
    return status.result && status.result->finished_ms < begun_ms;
  };
  const Farewell farewell("the queue goes on, it is only not watched any more");
  StatusLine line(STDOUT_FILENO);
  JsonLines json;
  const auto seen = [&](const queue::Status& status) {
    if (is_old(status)) return;
    if (arguments.json()) {
      json.tell(status);
    } else if (const auto stats = queue.stats()) {
      line.show(sentence(*stats));
    }
  };
  const auto follow_one = [&](queue::JobId id) -> Result<> {
    const auto done = TRY(follow(queue, id, -1, seen));
    line.clear();
    // Not every number is a job's: a submit that failed has used one up.
    if (done && !is_old(*done)) TRY(print(arguments.json() ? "" : end_of(*done)));
    return {};
  };
  queue::JobId next = 0;
  while (true) {
    const Window window = TRY(window_of(queue));
    if (next == 0) next = window.lowest;
    if (window.lowest != 0 && window.lowest < next) {
      TRY(follow_one(window.lowest));  // it was still being submitted when its turn came
      continue;
    }
    if (next == 0 || next > window.newest) return print(arguments.json() ? "" : "no job waits or runs\n");
    for (; next <= window.newest; ++next) TRY(follow_one(next));
  }
}

}  // namespace

Result<int> watch(const Arguments& arguments) {
  const auto queue = TRY(open_queue(arguments));
  return arguments.words.empty() ? watch_queue(arguments, *queue)
                                 : watch_job(arguments, *queue, arguments.words.front());
}

}  // namespace milonga::cli
