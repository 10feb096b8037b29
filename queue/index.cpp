#include "queue/index.h"

namespace milonga::queue {

void Index::add(const std::string& lane, const JobName& name, std::int64_t due_ms) {
  if (due_ms > 0) later_.emplace(due_ms, Waiting{lane, name});
  else lanes_[static_cast<std::size_t>(name.job_class)][lane].insert(name);
}

void Index::wake(std::int64_t now_ms) {
  while (!later_.empty() && later_.begin()->first <= now_ms) {
    const Waiting& w = later_.begin()->second;
    lanes_[static_cast<std::size_t>(w.name.job_class)][w.lane].insert(w.name);
    later_.erase(later_.begin());
  }
}

std::optional<Waiting> Index::take(std::int64_t now_ms) {
  wake(now_ms);
  for (std::size_t c = 0; c < 2; ++c) {
    auto& lanes = lanes_[c];
    if (lanes.empty()) continue;
    auto lane = lanes.upper_bound(last_lane_[c]);  // the one after the last served
    if (lane == lanes.end()) lane = lanes.begin();
    Waiting next{lane->first, std::move(lane->second.extract(lane->second.begin()).value())};
    last_lane_[c] = lane->first;
    if (lane->second.empty()) lanes.erase(lane);
    return next;
  }
  return std::nullopt;
}

std::int64_t Index::next_due_ms(std::int64_t now_ms) {
  wake(now_ms);  // what is due needs no alarm any more
  return later_.empty() ? 0 : later_.begin()->first;
}

std::size_t Index::size() const {
  std::size_t n = later_.size();
  for (const auto& lanes : lanes_)
    for (const auto& [lane, names] : lanes) n += names.size();
  return n;
}

void Index::clear() {
  for (auto& lanes : lanes_) lanes.clear();
  later_.clear();
}

}  // namespace milonga::queue
