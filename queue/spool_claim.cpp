// Claiming: the index of what waits, news of it, and T4.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "queue/record.h"
#include "queue/spool.h"

namespace milonga::queue {
namespace {

constexpr const char* kReadyKey = "ready";
constexpr const char* kRunKey = "run";
constexpr const char* kLaneKey = "lane:";
constexpr std::int64_t kTroublePause = 10 * 1000;     // ms until a job that could not be claimed is tried again
constexpr std::int64_t kLongestDelay = 5 * 60 * 1000;  // ms; a due time further off is a clock that jumped

// "<id>.cancel"
JobId cancel_mark(const std::string& name) {
  JobId id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  return error == std::errc{} && std::string_view(end) == ".cancel" ? id : 0;
}

}  // namespace

Result<void> Spool::scan_ready() {
  index_.clear();
  if (watcher_) TRY(watcher_->add(disk_->absolute("ready"), kReadyKey));
  for (const std::string& lane : TRY(disk_->list("ready"))) TRY(scan_lane(lane));
  return arm_timer();
}

void Spool::add_waiting(const std::string& lane, const JobName& name) {
  index_.add(lane, name, name.due_ms == 0 ? 0 : std::min(name.due_ms, disk_->now_ms() + kLongestDelay));
}

// Watch first, then list: what comes in between is seen twice, never not at all.
Result<void> Spool::scan_lane(const std::string& lane) {
  const std::string directory = "ready/" + lane;
  const FileInfo info = TRY(disk_->info(directory));
  if (info.exists && !info.directory) quarantine("ready", lane, "it is not a directory; ready/ holds one directory per lane");
  if (!info.directory) return {};
  auto watched = watcher_ ? watcher_->add(disk_->absolute(directory), kLaneKey + lane) : Result<void>{};
  auto files = watched ? disk_->list(directory) : Result<std::vector<std::string>>(Unexpected(watched.error()));
  if (!files && (files.error().code == EACCES || files.error().code == ENOENT || files.error().code == ENOTDIR)) {
    notes_.push_back(fmt::format("the jobs of lane '{}' are not seen: {}", lane, files.error().line()));
    return {};
  }
  for (const std::string& file : TRY(std::move(files))) {
    if (const auto name = JobName::parse(file)) add_waiting(lane, *name);
    else quarantine(directory, file, "its name is not that of a job (see queue/name.h)");
  }
  return {};
}

Result<void> Spool::arm_timer() {
  if (!watcher_) return {};
  return watcher_->wake_at(index_.next_due_ms(disk_->now_ms()));
}

Result<std::vector<JobId>> Spool::take_changes() {
  std::vector<JobId> cancelled;
  Watcher::News news = watcher_ ? watcher_->take() : Watcher::News{};
  // Until it has been heeded it counts as lost: a failure halfway is made good by the next call.
  if (news_lost_ || !watcher_) news.overflow = true;
  news_lost_ = true;
  TRY(take_news(std::move(news), cancelled));
  news_lost_ = false;
  return cancelled;
}

Result<void> Spool::take_news(Watcher::News news, std::vector<JobId>& cancelled) {
  if (news.overflow) {
    news.names.clear();
    TRY(scan_ready());
    for (const std::string& name : TRY(disk_->list("run/" + runner_))) news.names.emplace_back(kRunKey, name);
  }
  for (const auto& [key, name] : news.names) {
    const std::string lane = key.substr(std::min(std::string_view(kLaneKey).size(), key.size()));
    if (key == kReadyKey) {
      TRY(scan_lane(name));
    } else if (key == kRunKey) {
      if (const JobId id = cancel_mark(name); held_.contains(id)) cancelled.push_back(id);
    } else if (const auto job = JobName::parse(name)) {
      add_waiting(lane, *job);
    } else {
      quarantine("ready/" + lane, name, "its name is not that of a job (see queue/name.h)");
    }
  }
  return arm_timer();
}

Result<std::optional<Claim>> Spool::claim() {
  while (const std::optional<Waiting> next = index_.take(disk_->now_ms())) {
    auto claim = take(*next);
    if (!claim) index_.add(next->lane, next->name, disk_->now_ms() + kTroublePause);
    if (!claim || *claim) {
      TRY(arm_timer());
      return claim;
    }
  }
  TRY(arm_timer());
  return std::optional<Claim>{};
}

// T4. Nothing if it turned out that there is nothing to run under that name. All
// that can fail for want of something comes before the rename.
Result<std::optional<Claim>> Spool::take(const Waiting& waiting) {
  const std::string lane = "ready/" + waiting.lane, before = waiting.name.text();
  JobName name = waiting.name;
  if (held_.contains(name.id)) {
    quarantine(lane, before, "a job of this id is running");
    return std::optional<Claim>{};
  }
  Result<Job> job = read_record(lane, name);
  if (!job && job.error().code == ENOENT) return std::optional<Claim>{};  // cancelled, or another runner has it
  if (!job && !is_broken(job.error())) return Unexpected(job.error());
  if (!job) {
    quarantine(lane, before, job.error().line());
    return std::optional<Claim>{};
  }
  name.attempt = std::min(name.attempt + 1, 99);
  name.due_ms = 0;
  const std::string directory = "run/" + runner_, work = work_dir(runner_, name);
  TRY(disk_->remove_tree(work));
  TRY(disk_->make_directory(work));
  if (auto moved = disk_->rename(lane + "/" + before, directory + "/" + name.text()); !moved) {
    TRY(disk_->remove_tree(work));
    if (moved.error().code == ENOENT && TRY(disk_->info(directory)).exists) return std::optional<Claim>{};
    return Unexpected(moved.error());
  }
  const auto decided = is_decided(name.id);
  if (!decided) {
    TRY(disk_->rename(directory + "/" + name.text(), lane + "/" + before));
    return Unexpected(decided.error());
  }
  if (*decided) {  // it was cancelled while we took it, or a crash undid a claim of a job that is done
    TRY(leave(directory, name, *job, work));
    return std::optional<Claim>{};
  }
  Claim claim;
  claim.job = std::move(*job);
  claim.attempt = name.attempt;
  claim.work_dir = disk_->absolute(work);
  held_[name.id] = name;
  return std::optional<Claim>(std::move(claim));
}

Result<void> Spool::make_claims_durable() { return disk_->sync_directory("run/" + runner_); }

}  // namespace milonga::queue
