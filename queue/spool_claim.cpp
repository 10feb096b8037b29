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
constexpr std::int64_t kLongestDelay = 5 * 60 * 1000;  // ms; a due time further off is a clock that jumped

// "<id>.cancel"
JobId cancel_mark(const std::string& name) {
  JobId id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  return error == std::errc{} && std::string_view(end) == ".cancel" ? id : 0;
}

}  // namespace

Result<void> Spool::scan_ready(Recovery* recovery) {
  index_.clear();
  if (watcher_) TRY(watcher_->add(disk_->absolute("ready"), kReadyKey));
  for (const std::string& lane : TRY(disk_->list("ready"))) TRY(scan_lane(lane, recovery));
  return arm_timer();
}

void Spool::add_waiting(const std::string& lane, const JobName& name) {
  index_.add(lane, name, name.due_ms == 0 ? 0 : std::min(name.due_ms, disk_->now_ms() + kLongestDelay));
}

// Watch first, then list: what comes in between is seen twice, never not at all.
Result<void> Spool::scan_lane(const std::string& lane, Recovery* recovery) {
  const std::string directory = "ready/" + lane;
  if (!TRY(disk_->info(directory)).directory) {
    TRY(quarantine("ready", lane, "it is not a directory; ready/ holds one directory per lane"));
    if (recovery != nullptr) ++recovery->quarantined;
    return {};
  }
  if (watcher_) TRY(watcher_->add(disk_->absolute(directory), kLaneKey + lane));
  for (const std::string& file : TRY(disk_->list(directory))) {
    if (const auto name = JobName::parse(file)) {
      add_waiting(lane, *name);
      continue;
    }
    TRY(quarantine(directory, file, "its name is not that of a job (see queue/name.h)"));
    if (recovery != nullptr) ++recovery->quarantined;
  }
  return {};
}

Result<void> Spool::arm_timer() {
  if (!watcher_) return {};
  return watcher_->wake_at(index_.next_due_ms(disk_->now_ms()));
}

Result<std::vector<JobId>> Spool::take_changes() {
  std::vector<JobId> cancelled;
  if (!watcher_) {
    TRY(scan_ready(nullptr));
    for (const std::string& name : TRY(disk_->list("run/" + runner_)))
      if (const JobId id = cancel_mark(name); held_.contains(id)) cancelled.push_back(id);
    return cancelled;
  }
  Watcher::News news = watcher_->take();
  if (news.overflow) {
    TRY(scan_ready(nullptr));
    for (const std::string& name : TRY(disk_->list("run/" + runner_))) news.names.emplace_back(kRunKey, name);
  }
  for (const auto& [key, name] : news.names) {
    if (key == kReadyKey) {
      TRY(scan_lane(name, nullptr));
    } else if (key == kRunKey) {
      if (const JobId id = cancel_mark(name); held_.contains(id)) cancelled.push_back(id);
    } else if (const auto job = JobName::parse(name)) {
      add_waiting(key.substr(std::string_view(kLaneKey).size()), *job);
    } else {
      TRY(quarantine("ready/" + key.substr(std::string_view(kLaneKey).size()), name,
                     "its name is not that of a job (see queue/name.h)"));
    }
  }
  TRY(arm_timer());
  return cancelled;
}

// Out of the way, kept, with the reason beside it; the queue goes on.
Result<void> Spool::quarantine(const std::string& directory, const std::string& name, const std::string& why) {
  std::string kept = "bad/" + name;
  for (int n = 1; TRY(disk_->info(kept)).exists; ++n) kept = fmt::format("bad/{}.{}", name, n);
  auto moved = disk_->rename(directory + "/" + name, kept);
  if (!moved && moved.error().code == ENOENT) return {};  // somebody else did
  TRY(std::move(moved));
  (void)disk_->unlink(kept + ".why");
  TRY(write_file(kept + ".why", fmt::format("{}/{}: {}\n", directory, name, why)));
  return disk_->sync_directory("bad");
}

Result<std::optional<Claim>> Spool::claim() {
  while (const std::optional<Waiting> next = index_.take(disk_->now_ms()))
    if (std::optional<Claim> claim = TRY(take(*next))) return claim;
  TRY(arm_timer());
  return std::optional<Claim>{};
}

// T4. Nothing if it turned out that there is nothing to run under that name.
Result<std::optional<Claim>> Spool::take(const Waiting& waiting) {
  JobName name = waiting.name;
  const std::string from = fmt::format("ready/{}/{}", waiting.lane, name.text());
  name.attempt = std::min(name.attempt + 1, 99);
  name.due_ms = 0;
  const std::string directory = "run/" + runner_;
  auto moved = disk_->rename(from, directory + "/" + name.text());
  if (!moved && moved.error().code == ENOENT) return std::optional<Claim>{};  // cancelled, or another runner has it
  TRY(std::move(moved));
  Result<std::string> bytes = disk_->read(directory + "/" + name.text(), kMaxJobRecord);
  Result<Job> job = bytes ? read_job(*bytes) : Result<Job>(Unexpected(bytes.error()));
  if (job && job->id != name.id) job = fail(fmt::format("field 'id' is {}, but the name says {}", job->id, name.id));
  if (!job) {
    TRY(quarantine(directory, name.text(), job.error().line()));
    return std::optional<Claim>{};
  }
  if (TRY(is_decided(name.id))) {  // it was cancelled while we took it, or a crash undid a claim of a job that is done
    TRY(leave(directory, name, *job, ""));
    return std::optional<Claim>{};
  }
  Claim claim;
  claim.job = std::move(*job);
  claim.attempt = name.attempt;
  const std::string work = work_dir(runner_, name);
  TRY(disk_->remove_tree(work));
  TRY(disk_->make_directory(work));
  claim.work_dir = disk_->absolute(work);
  held_[name.id] = name;
  return std::optional<Claim>(std::move(claim));
}

Result<void> Spool::make_claims_durable() { return disk_->sync_directory("run/" + runner_); }

}  // namespace milonga::queue
