#include "rest/counters.h"

#include <string_view>

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

void Counters::count(const queue::Status& status) {
  const queue::ResultRecord& result = *status.result;
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
  const std::lock_guard lock(mutex_);
  int not_done = 0;
  for (auto id = open_.begin(); id != open_.end() && not_done < kPatience;) {
    const auto status = queue.use([&](queue::Queue& q) { return q.find(*id); });
    if (!status || !*status || !(*status)->result) {
      ++not_done;
      ++id;
      continue;
    }
    count(**status);
    id = open_.erase(id);
  }
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
