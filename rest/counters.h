// The numbers of /info/: of the jobs that this server accepted since its start,
// as Tango counts. How they ended is read from their results when somebody asks.
//
// Privilege: none.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>

#include "rest/queue_pool.h"

namespace milonga::rest {

class Counters {
 public:
  void accepted(queue::JobId id);
  boost::json::object info(QueuePool& queue, std::size_t threads);

 private:
  void count(const queue::ResultRecord& result);

  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::mutex mutex_;             // never held while the queue is asked: submitting takes it too
  std::set<queue::JobId> open_;  // not seen done yet
  std::int64_t requests_ = 0, retries_ = 0, waitvm_timeouts_ = 0, runjob_timeouts_ = 0;
  std::int64_t copyin_errors_ = 0, runjob_errors_ = 0, copyout_errors_ = 0;
};

}  // namespace milonga::rest
