// The queue for all worker threads. A Queue belongs to one thread at a time and
// its calls wait for the disk, so each thread that is in a call has one of its
// own: nobody waits for another's flush. Opened when needed, kept for the next.
//
// Thread-safe.
//
// Privilege: none.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "queue/queue.h"

namespace milonga::rest {

class QueuePool {
 public:
  using Open = std::function<Result<std::unique_ptr<queue::Queue>>()>;
  explicit QueuePool(Open open) : open_(std::move(open)) {}

  // use([](queue::Queue& q) { return q.find(7); }): what f returns, a Result, which
  // is also how it fails if no further queue can be opened.
  template <class F>
  auto use(F&& f) -> decltype(f(std::declval<queue::Queue&>())) {
    std::unique_ptr<queue::Queue> mine = TRY(take());
    auto result = std::forward<F>(f)(*mine);
    give_back(std::move(mine));
    return result;
  }

 private:
  Result<std::unique_ptr<queue::Queue>> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto last = std::move(free_.back());
        free_.pop_back();
        return last;
      }
    }
    return open_();
  }
  void give_back(std::unique_ptr<queue::Queue> queue) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(queue));
  }

  Open open_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<queue::Queue>> free_;
};

}  // namespace milonga::rest
