#include "rest/counters.h"

#include <map>
#include <string_view>
#include <vector>

#include "rest/job_view.h"

namespace milonga::rest {
namespace {

// Jobs end about in the order of their ids: after so many that are not done the rest is left for the next
// time.
constexpr int kPatience = 32;

}  // namespace

void Counters::accepted(queue::JobId id) {
  const std::lock_guard lock(mutex_);
  ++requests_;
  open_.insert(id);
}

void Counters::count(const queue::ResultRecord& result) {
  retries_ += std::max(result.attempt - 1, 0);
  const std::string verdict = verdict_of(result);
  runjob_timeouts_ += verdict == "wall_limit";
  runjob_errors_ += verdict == "refused" || verdict == "internal_error";
  if (result.outcome != queue::Outcome::gave_up) return;
  // "Error: STAGE: why", as the runner gives up.
  const auto in = [&](std::string_view stage) { return result.reason.find(stage) == sizeof("Error: ") - 1; };
  waitvm_timeouts_ += in("wait:") || in("initialize:");
  copyin_errors_ += in("copyIn:");
  runjob_errors_ += in("run:");
  copyout_errors_ += in("copyOut:");
}

boost::json::object Counters::info(QueuePool& queue, std::size_t threads) {
  std::vector<queue::JobId> open;
  {
    const std::lock_guard lock(mutex_);
    open.assign(open_.begin(), open_.end());
  }
  std::map<queue::JobId, queue::ResultRecord> ended;
  int not_done = 0;
  for (std::size_t i = 0; i < open.size() && not_done < kPatience; ++i) {
    auto result = queue.use([&](queue::Queue& q) { return q.find_result(open[i]); });
    if (result && *result)
      ended.emplace(open[i], std::move(**result));
    else
      ++not_done;
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [id, result] : ended)
    if (open_.erase(id) > 0) count(result);  // else another has counted it meanwhile
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin_;
  return {{"elapsed_secs", elapsed.count()},
          {"job_requests", requests_},
          {"job_retries", retries_},
          {"waitvm_timeouts", waitvm_timeouts_},
          {"runjob_timeouts", runjob_timeouts_},
          {"copyin_errors", copyin_errors_},
          {"runjob_errors", runjob_errors_},
          {"copyout_errors", copyout_errors_},
          {"num_threads", threads}};
}

}  // namespace milonga::rest
