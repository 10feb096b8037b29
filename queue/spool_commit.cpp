// Ending a claim: T5 to T8, T10; and cancelling: T11, T12.
#include <fmt/format.h>

#include "base/sha256.h"
#include "queue/record.h"
#include "queue/spool.h"

namespace milonga::queue {
namespace {

std::string mark_path(const std::string& runner, JobId id) { return fmt::format("run/{}/{}.cancel", runner, id); }

}  // namespace

std::string Spool::work_dir(const std::string& runner, const JobName& name) const {
  return fmt::format("work/{}/{}.{}", runner, name.id, name.attempt);
}

Result<bool> Spool::has_result(JobId id) { return TRY(disk_->info(result_path(id))).exists; }

// A result stands: whole, and on disk, whoever linked it may have been killed
// before the flush. One that rotted decides nothing any more and is set aside.
Result<bool> Spool::is_decided(JobId id) {
  if (!TRY(has_result(id))) return false;
  if (const auto result = result_of(id); !result) {
    if (!is_broken(result.error())) return Unexpected(result.error());
    quarantine(shard_of(id), fmt::format("{}.res", id), result.error().line());
    return TRY(has_result(id));  // where it cannot be moved, no other can take its place
  }
  TRY(disk_->sync_directory(shard_of(id)));
  return true;
}

Result<bool> Spool::is_marked_cancelled(const std::string& runner, JobId id) {
  return TRY(disk_->info(mark_path(runner, id))).exists;
}

// The feedback's name is durable before the result that speaks of it can be seen.
Result<void> Spool::keep_feedback(const std::string& work, const Completion& completion, ResultRecord& record) {
  if (completion.feedback_name.empty()) return {};
  const std::string from = work + "/" + completion.feedback_name;
  const std::string to = fmt::format("{}/{}.{}.out", shard_of(record.id), record.id, record.attempt);
  TRY(disk_->sync_path(from));
  Sha256 hash;
  std::uint64_t size = 0;
  TRY(disk_->stream(from, [&](std::string_view bytes) -> Result<void> {
    hash.add(bytes);
    size += bytes.size();
    return {};
  }));
  // A crash can undo a claim, but not this name: then it is of an execution that was never answered for.
  if (auto gone = disk_->unlink(to); !gone && gone.error().code != ENOENT) return gone;
  TRY(disk_->link(from, to));
  TRY(disk_->sync_directory(shard_of(record.id)));
  record.feedback_path = disk_->absolute(to);
  record.feedback_sha256 = hash.hex();
  record.feedback_size = size;
  return {};
}

// T5. False: a result is there already, and stands.
Result<bool> Spool::link_result(const ResultRecord& record) {
  const std::string bytes = write_result(record), unfinished = temporary("res");
  TRY(read_result(bytes));  // what nobody can read decides nothing
  TRY(write_file(unfinished, bytes));
  auto linked = disk_->link(unfinished, result_path(record.id));
  (void)disk_->unlink(unfinished);  // recovery removes what stays
  if (!linked && linked.error().code != EEXIST) return Unexpected(linked.error());
  // Also if it was there: whoever linked it may not have come to the flush.
  TRY(disk_->sync_directory(shard_of(record.id)));
  return linked.has_value();
}

Result<bool> Spool::commit(const Claim& claim, const Completion& completion) {
  const auto held = held_.find(claim.job.id);
  if (held == held_.end()) return fail(fmt::format("job {} is not claimed by this runner", claim.job.id));
  const JobName name = held->second;
  const std::string work = work_dir(runner_, name);
  ResultRecord record;
  record.id = name.id;
  record.attempt = name.attempt;
  record.outcome = completion.outcome;
  record.reason = completion.reason;
  record.report_json = completion.report_json;
  record.timing_json = completion.timing_json;
  record.finished_ms = disk_->now_ms();
  TRY(ensure_directory(shard_of(name.id), "done"));
  bool first = false;
  if (!TRY(is_decided(name.id))) {
    TRY(keep_feedback(work, completion, record));
    first = TRY(link_result(record));
  }
  TRY(leave("run/" + runner_, name, claim.job, work));
  held_.erase(name.id);
  return first;
}

// T6. The result stands whatever becomes of the copy outside; why it failed is kept beside it.
Result<void> Spool::publish(const Job& job) {
  const ResultRecord result = TRY(result_of(job.id));
  if (job.output.empty() || result.feedback_path.empty()) return {};
  const std::string feedback = fmt::format("{}/{}.{}.out", shard_of(job.id), job.id, result.attempt);
  const std::string note = fmt::format("{}/{}.unpublished", shard_of(job.id), job.id);
  if (auto gone = disk_->unlink(note); !gone && gone.error().code != ENOENT) return gone;
  if (auto published = disk_->publish(job.output, feedback); !published)
    return write_file(note, published.error().line() + "\n");
  return {};
}

// T6 to T8, from wherever the job's file is; each can be done again.
Result<void> Spool::leave(const std::string& directory, const JobName& name, const Job& job, const std::string& work) {
  const std::string from = directory + "/" + name.text(), to = record_path(name.id);
  if (TRY(is_of_another(from, to))) {
    quarantine(directory, name.text(), "another job had this id, and has its result");
  } else {
    TRY(publish(job));
    TRY(outbox_.owe(job));
    auto moved = disk_->rename(from, to);
    if (!moved && moved.error().code == EEXIST) moved = disk_->unlink(from);  // the same: a crash undid half of this
    if (!moved && moved.error().code != ENOENT) return moved;
  }
  if (directory.rfind("run/", 0) == 0)
    if (auto gone = disk_->unlink(mark_path(directory.substr(4), name.id)); !gone && gone.error().code != ENOENT) return gone;
  return work.empty() ? Result<void>{} : disk_->remove_tree(work);
}

Result<bool> Spool::is_of_another(const std::string& record, const std::string& kept) {
  if (!TRY(disk_->info(kept)).exists || !TRY(disk_->info(record)).exists) return false;
  return TRY(disk_->read(record, kMaxJobRecord)) != TRY(disk_->read(kept, kMaxJobRecord));
}

Result<void> Spool::retry(const Claim& claim, const std::string& reason, std::chrono::milliseconds delay,
                          Attempt attempt) {
  const auto held = held_.find(claim.job.id);
  if (held == held_.end()) return fail(fmt::format("job {} is not claimed by this runner", claim.job.id));
  JobName name = held->second;
  Completion end;
  end.reason = reason;
  end.outcome = TRY(is_marked_cancelled(runner_, name.id)) ? Outcome::cancelled : Outcome::gave_up;
  const bool counts = attempt == Attempt::counts;
  if (end.outcome == Outcome::cancelled || (counts && name.attempt >= max_attempts_)) {
    if (TRY(disk_->info(work_dir(runner_, name) + "/feedback")).exists) end.feedback_name = "feedback";
    TRY(commit(claim, end));
    return {};
  }
  const std::string from = "run/" + runner_ + "/" + name.text();
  const std::string work = work_dir(runner_, name);
  const std::string lane = encode_lane(claim.job.lane);
  TRY(ensure_directory("ready/" + lane, "ready"));
  if (!counts && name.attempt > 0) --name.attempt;
  if (delay.count() > 0) name.due_ms = disk_->now_ms() + delay.count();
  TRY(disk_->rename(from, "ready/" + lane + "/" + name.text()));
  held_.erase(name.id);
  add_waiting(lane, name);
  TRY(arm_timer());
  TRY(disk_->remove_tree(work));
  return heed_left_mark(runner_, name.id);
}

// Who marked a job as cancelled between our look for the mark and the rename that offered it again found its
// file still there, and said that it is being cancelled. Who marks after the rename finds that it is gone.
Result<void> Spool::heed_left_mark(const std::string& runner, JobId id) {
  if (!TRY(is_marked_cancelled(runner, id))) return {};
  if (TRY(cancel(id, "somebody")) == CancelAnswer::cancelling) return {};  // it runs, and has its mark
  auto gone = disk_->unlink(mark_path(runner, id));
  return !gone && gone.error().code != ENOENT ? gone : Result<void>{};
}

Result<CancelAnswer> Spool::cancel(JobId id, const std::string& by) {
  TRY(disk_->may_write());
  // A job moves from ready to run to done, and back only by a retry: looked for
  // in that order it is missed only if it moved just then, so look again.
  for (int round = 0; round < 100; ++round) {
    const std::vector<Place> all = TRY(places());
    for (const Place& place : all) {
      if (place.name.id != id) continue;
      if (place.state == State::running) {
        const std::string runner = place.directory.substr(4);
        auto marked = write_file(mark_path(runner, id), "");
        if (!marked && marked.error().code == ENOENT) break;  // the runner is gone; look again
        if (!marked && marked.error().code != EEXIST) return Unexpected(marked.error());
        TRY(disk_->sync_directory(place.directory));
        if (!TRY(disk_->info(place.directory + "/" + place.name.text())).exists) {
          (void)disk_->unlink(mark_path(runner, id));
          break;  // it moved on while we marked it
        }
        // A result may stand that its runner, or a killed one, did not come to leave with.
        return TRY(is_decided(id)) ? CancelAnswer::already_done : CancelAnswer::cancelling;
      }
      ResultRecord record;
      record.id = id;
      record.attempt = place.name.attempt;
      record.outcome = Outcome::cancelled;
      record.reason = "cancelled by " + by + " while waiting";
      record.finished_ms = disk_->now_ms();
      TRY(ensure_directory(shard_of(id), "done"));
      const bool first = TRY(link_result(record));  // decides, against whoever claims it just now
      // A record that is not there any more is its new owner's to leave with; one that makes no sense names no URL.
      if (const auto job = read_record(place.directory, place.name)) TRY(outbox_.owe(*job));
      else if (job.error().code != ENOENT && !is_broken(job.error())) return Unexpected(job.error());
      auto moved = disk_->rename(place.directory + "/" + place.name.text(), record_path(id));
      if (!moved && moved.error().code == ENOENT && first) {
        // Claimed in between: the box need not run to its end. Whether this mark
        // is seen or not, the result stands.
        for (const Place& now : TRY(places()))
          if (now.name.id == id && now.state == State::running)
            (void)write_file(mark_path(now.directory.substr(4), id), "");
      } else if (!moved && moved.error().code != ENOENT && moved.error().code != EEXIST) {
        return Unexpected(moved.error());
      }
      return first ? CancelAnswer::cancelled : CancelAnswer::already_done;
    }
    if (TRY(is_decided(id))) return CancelAnswer::already_done;
    if (id <= 0 || TRY(disk_->info(fmt::format("id/{}", id))).exists) return CancelAnswer::unknown_id;
    if (round > 1 && !TRY(find(id))) return CancelAnswer::unknown_id;
  }
  return fail(fmt::format("job {} moves faster than it can be cancelled", id), "try again");
}

}  // namespace milonga::queue
