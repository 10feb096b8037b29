// One look at something costly for all who ask at about the same time: each gets
// what a look found that began after the question, and no two looks go on at
// once. So a hundred questions cost two looks and the memory of two answers.
//
// Thread-safe; who asks waits.
//
// Privilege: none.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace milonga::rest {

template <class T>
class SharedLook {
 public:
  explicit SharedLook(std::function<T()> look) : look_(std::move(look)) {}

  // Where memory ends so does the program: others would wait for a look that nobody ends.
  std::shared_ptr<const T> operator()() noexcept {
    std::unique_lock lock(mutex_);
    ++asking_;
    const std::uint64_t mine = begun_ + 1;
    while (ended_ < mine) {
      if (begun_ > ended_) {  // one is under way, by another thread
        changed_.wait(lock);
        continue;
      }
      ++begun_;
      lock.unlock();
      auto found = std::make_shared<const T>(look_());
      lock.lock();
      last_ = std::move(found);
      ended_ = begun_;
      changed_.notify_all();
    }
    const auto answer = last_;
    if (--asking_ == 0) last_.reset();  // kept for nobody
    return answer;
  }

 private:
  std::function<T()> look_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t begun_ = 0, ended_ = 0;  // looks so far; at most one is between the two
  std::size_t asking_ = 0;
  std::shared_ptr<const T> last_;
};

}  // namespace milonga::rest
