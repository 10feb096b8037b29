// Becoming a runner, and what each leftover of a dead one means.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "queue/record.h"
#include "queue/spool.h"

namespace milonga::queue {

Result<std::string> Spool::living_daemon() {
  for (const std::string& runner : TRY(disk_->list("run")))
    if (disk_->owner_is_alive(runner.substr(0, runner.rfind('-')))) return runner;
  return std::string("of unknown name");
}

// The directory appears under run/ with its lock already held: nobody can take it for a dead one's.
Result<void> Spool::take_identity(bool exclusive) {
  if (exclusive) {
    auto lock = disk_->lock("lock");
    if (!lock && (lock.error().code == EWOULDBLOCK))
      return fail(fmt::format("another milongad runs this spool: {}", TRY(living_daemon())),
                  "its first number is its pid; stop it, or name another spool");
    spool_lock_ = TRY(std::move(lock));
  }
  const std::string unfinished = temporary("run");
  const std::string name = disk_->owner() + "-" + unfinished.substr(unfinished.rfind('.') + 1);
  TRY(disk_->make_directory(unfinished));
  runner_lock_ = TRY(disk_->lock(unfinished + "/lock"));
  TRY(disk_->rename(unfinished, "run/" + name));
  TRY(disk_->sync_directory("run"));
  TRY(disk_->make_directory("work/" + name));
  runner_ = name;
  return {};
}

Result<Recovery> Spool::become_runner(bool exclusive, const KillOrphan& kill_orphan) {
  TRY(disk_->may_write());
  TRY(make_directories());  // one may have been removed by hand
  Recovery recovery;
  TRY(take_identity(exclusive));
  for (const std::string& other : TRY(disk_->list("run")))
    if (other != runner_) TRY(recover_runner(other, kill_orphan, recovery));
  for (const std::string& owner : TRY(disk_->list("work")))  // of runners whose directory went before theirs
    if (owner != runner_ && !TRY(disk_->info("run/" + owner)).exists) TRY(disk_->remove_tree("work/" + owner));
  TRY(remove_dead_tmp(recovery));
  if (watch_) watcher_.emplace(TRY(Watcher::create()));
  if (watcher_) TRY(watcher_->add(disk_->absolute("run/" + runner_), "run"));
  TRY(outbox_.watch());
  TRY(check_ids());  // while what is in ready/ is still there to be asked
  TRY(scan_ready());
  recovery.quarantined = quarantined_;
  return recovery;
}

// Of the living only: a crash takes it with the runner, so nothing is flushed.
Result<void> Spool::introduce(const std::string& about_json) {
  const std::string unfinished = temporary("about");
  const int file = TRY(disk_->create(unfinished));
  Result<void> written = disk_->write(file, about_json);
  disk_->close_file(file);
  if (written) written = disk_->rename(unfinished, "work/" + runner_ + "/about");
  if (!written) (void)disk_->unlink(unfinished);
  return written;
}

Result<void> Spool::recover_runner(const std::string& dead, const KillOrphan& kill_orphan, Recovery& recovery) {
  const std::string directory = "run/" + dead;
  if (!TRY(disk_->info(directory)).directory) {
    quarantine("run", dead, "it is not a directory; run/ holds one directory per runner");
    return {};
  }
  auto lock = disk_->lock(directory + "/lock");
  if (!lock && lock.error().code == EWOULDBLOCK) return {};  // alive
  TRY(std::move(lock));
  for (const std::string& file : TRY(disk_->list(directory))) {
    if (file == "lock" || file.ends_with(".cancel")) continue;
    if (const auto name = JobName::parse(file)) TRY(recover_job(dead, *name, kill_orphan, recovery));
    else quarantine(directory, file, "its name is not that of a job (see queue/name.h)");
  }
  // Marks of jobs that were offered again before anybody saw them.
  for (const std::string& file : TRY(disk_->list(directory)))
    if (const JobId id = parse_id(file.substr(0, file.find('.'))); id > 0 && file == fmt::format("{}.cancel", id))
      TRY(heed_left_mark(dead, id));
  return remove_runner(dead);
}

// Unless something is in it that could not be recovered for now: the next start tries again.
Result<void> Spool::remove_runner(const std::string& dead) {
  const std::string directory = "run/" + dead;
  for (const std::string& file : TRY(disk_->list(directory)))
    if (file != "lock" && !file.ends_with(".cancel")) return {};
  // Whatever left this directory must be on disk elsewhere before it goes.
  for (const std::string& lane : TRY(disk_->list("ready")))
    if (TRY(disk_->info("ready/" + lane)).directory) TRY(disk_->sync_directory("ready/" + lane));
  for (const std::string& shard : TRY(disk_->list("done")))
    if (TRY(disk_->info("done/" + shard)).directory) TRY(disk_->sync_directory("done/" + shard));
  TRY(disk_->remove_tree("work/" + dead));
  return disk_->remove_tree(directory);
}

Result<void> Spool::recover_job(const std::string& dead, const JobName& name, const KillOrphan& kill_orphan,
                                Recovery& recovery) {
  const std::string directory = "run/" + dead;
  const std::string path = directory + "/" + name.text();
  const Result<Job> job = read_record(directory, name);
  if (!job && is_broken(job.error())) {
    quarantine(directory, name.text(), job.error().line());
    return {};
  }
  if (!job) {
    notes_.push_back(fmt::format("job {} of the dead runner {} stays as it is until the next start: {}", name.id, dead,
                                 job.error().line()));
    return {};
  }
  const std::string work = work_dir(dead, name);
  kill_orphan(*job, name.attempt, disk_->absolute(work));
  if (TRY(is_decided(name.id))) {
    ++recovery.finished;
    return leave(directory, name, *job, work);
  }
  const bool cancelled = TRY(is_marked_cancelled(dead, name.id));
  if (cancelled || name.attempt >= max_attempts_) {
    ResultRecord record;
    record.id = name.id;
    record.attempt = name.attempt;
    record.outcome = cancelled ? Outcome::cancelled : Outcome::gave_up;
    record.reason = cancelled ? "cancelled; its runner died before it could say so"
                              : fmt::format("gave up: the runner died in each of {} attempts", name.attempt);
    record.finished_ms = disk_->now_ms();
    TRY(ensure_directory(shard_of(name.id), "done"));
    (void)TRY(link_result(record));
    ++(cancelled ? recovery.cancelled : recovery.gave_up);
    return leave(directory, name, *job, work);
  }
  const std::string lane = "ready/" + encode_lane(job->lane);
  TRY(ensure_directory(lane, "ready"));
  ++recovery.requeued;
  notes_.push_back(fmt::format("job {} is offered again: its runner {} died in attempt {}", name.id, dead, name.attempt));
  auto moved = disk_->rename(path, lane + "/" + name.text());
  if (moved || moved.error().code != EEXIST) return moved;
  if (TRY(is_of_another(path, lane + "/" + name.text()))) quarantine(directory, name.text(), "another job has this id, and waits");
  else TRY(disk_->unlink(path));  // a claim that a crash undid in one directory and not in the other
  return {};
}

// "<what>.<owner>.<n>": what a dead process did not finish, nobody was told of.
Result<void> Spool::remove_dead_tmp(Recovery& recovery) {
  for (const std::string& name : TRY(disk_->list("tmp"))) {
    const std::size_t first = name.find('.'), last = name.rfind('.');
    if (first == std::string::npos || first == last) continue;
    if (disk_->owner_is_alive(name.substr(first + 1, last - first - 1))) continue;
    TRY(disk_->remove_tree("tmp/" + name));
    ++recovery.removed_tmp;
  }
  return {};
}

// The next id is above every id that was ever given, whatever became of id/.
Result<void> Spool::check_ids() {
  JobId next = 0;
  std::vector<std::string> names = TRY(disk_->list("id"));
  for (const std::string& name : names) next = std::max(next, parse_id(name));
  const JobId highest = TRY(highest_id(next));
  if (next > highest && names.size() == 1) return {};
  // With room for ids that were given and whose jobs the same misfortune took.
  const JobId restored = next > highest ? next : static_cast<JobId>(std::min<std::int64_t>(std::int64_t{highest} + 1000, kLastId));
  notes_.push_back(fmt::format("the next id was lost or set back; it is {} now", restored));
  for (const std::string& name : names)
    if (name != std::to_string(restored)) TRY(disk_->remove_tree("id/" + name));
  if (auto made = write_file(fmt::format("id/{}", restored), ""); !made && made.error().code != EEXIST) return made;
  return disk_->sync_directory("id");
}

// The highest id that a job has or a result tells of. A name that is not below
// `next`, as it should be, is believed only if what is in the file says the same.
Result<JobId> Spool::highest_id(JobId next) {
  JobId highest = 0;
  for (const Place& place : TRY(places()))
    if (place.name.id > highest && (place.name.id < next || read_record(place.directory, place.name))) highest = place.name.id;
  for (const std::string& shard : TRY(disk_->list("done"))) {
    const auto files = disk_->list("done/" + shard);
    if (!files) continue;  // no directory
    for (const std::string& file : *files) {
      const JobId id = parse_id(file.substr(0, file.find('.')));
      if (id <= highest) continue;
      if (id < next || result_of(id).value_or(ResultRecord{}).id == id ||
          read_job(disk_->read(record_path(id), kMaxJobRecord).value_or("")).value_or(Job{}).id == id)
        highest = id;
    }
  }
  return highest;
}

void Spool::resign() {
  if (runner_.empty()) return;
  // Jobs that are still in our directory stay there, and with them the directory:
  // whoever comes next recovers them. The directory is asked, not held_: a claim
  // that failed halfway is in the one and not in the other.
  const auto names = disk_->list("run/" + runner_);
  const auto is_job = [](const std::string& name) { return name != "lock" && !name.ends_with(".cancel"); };
  if (names && std::none_of(names->begin(), names->end(), is_job)) {
    (void)disk_->remove_tree("work/" + runner_);
    (void)disk_->remove_tree("run/" + runner_);
  }
  runner_.clear();
  watcher_.reset();
  runner_lock_.reset();
  spool_lock_.reset();
}

}  // namespace milonga::queue
