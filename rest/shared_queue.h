// One Queue for all worker threads: a Queue belongs to one thread at a time.
//
// Privilege: none.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "queue/queue.h"

namespace milonga::rest {

class SharedQueue {
 public:
  explicit SharedQueue(std::unique_ptr<queue::Queue> queue) : queue_(std::move(queue)) {}

  // use([](queue::Queue& q) { return q.find(7); })
  template <class F>
  auto use(F&& f) {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(f)(*queue_);
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<queue::Queue> queue_;
};

}  // namespace milonga::rest
