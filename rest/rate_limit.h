// How often somebody may come: a bucket of `burst` tokens for each name, filled at
// `rate` a second. Names that were not heard of for longest are forgotten first.
//
// Thread-safe.
//
// Privilege: none.
#pragma once

#include <algorithm>
#include <chrono>
#include <list>
#include <map>
#include <mutex>
#include <string>

namespace milonga::rest {

class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;
  RateLimit(double rate, double burst) : rate_(rate), burst_(burst) {}

  // Takes a token. False: there is none.
  bool take(const std::string& name, Clock::time_point now = Clock::now()) {
    const std::lock_guard lock(mutex_);
    Bucket& bucket = bucket_of(name, now);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
  // Whether there is one, without taking it.
  bool has(const std::string& name, Clock::time_point now = Clock::now()) {
    const std::lock_guard lock(mutex_);
    return bucket_of(name, now).tokens >= 1;
  }

 private:
  static constexpr std::size_t kMostNames = 10'000;
  struct Bucket {
    std::string name;
    double tokens;
    Clock::time_point at;
  };
  Bucket& bucket_of(const std::string& name, Clock::time_point now) {
    if (const auto found = index_.find(name); found != index_.end()) {
      buckets_.splice(buckets_.begin(), buckets_, found->second);
    } else {
      if (buckets_.size() == kMostNames) {
        index_.erase(buckets_.back().name);
        buckets_.pop_back();
      }
      buckets_.push_front({name, burst_, now});
      index_[name] = buckets_.begin();
    }
    Bucket& bucket = buckets_.front();
    const std::chrono::duration<double> passed = now - bucket.at;
    bucket.tokens = std::min(burst_, bucket.tokens + rate_ * passed.count());
    bucket.at = now;
    return bucket;
  }

  const double rate_, burst_;
  std::mutex mutex_;
  std::list<Bucket> buckets_;  // the one used last in front
  std::map<std::string, std::list<Bucket>::iterator> index_;
};

}  // namespace milonga::rest
