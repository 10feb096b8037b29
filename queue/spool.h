// The queue as a directory. A job's state is the directory that its file is in;
// a transition is one rename or link; everything after it can be done again.
//
//   FORMAT                 "milonga-spool 1 <uuid>"
//   lock                   locked by the daemon that has the spool
//   id/<n>                 one empty file; its name is the next free id
//   tmp/<what>.<owner>.<n> unfinished; never read; removed when the owner is dead
//   blob/<2>/<62>          input files by content
//   ready/<lane>/<name>    waiting                                  (name.h)
//   run/<runner>/<name>    claimed; `lock` there is held while the runner lives
//   run/<runner>/<id>.cancel   somebody wants it cancelled
//   work/<runner>/<id>.<attempt>/   the runner's files of one attempt
//   work/<runner>/about    how the runner introduced itself
//   done/<id/1000>/<id>.res    the result: whoever links it first has decided
//   done/<id/1000>/<id>.<attempt>.out   feedback;  <id>.job   the job's record
//   outbox/<id>            a callback that is owed (outbox.h)
//   bad/<name>, <name>.why     what could not be read, and why
//
//   step        decided by                                   durable by
//   T1  submit  rename tmp -> ready/<lane>/<name>            fsync of the lane, before the answer
//   T4  claim   rename ready -> run/<runner>, attempt + 1    fsync of run/<runner>, before the box starts
//   T5  commit  link tmp -> done/.../<id>.res                fsync of the shard, before anyone is told
//   T6  publish rename beside the output file                its own fsyncs; done again after a crash
//   T7  owe     create outbox/<id>, if it has a callback     fsync of outbox, before T8
//   T8  leave   rename run -> done/.../<id>.job              lazily: recovery repeats T6 to T8
//   T10 retry   rename run -> ready, due later               lazily: recovery does the same
//   T11 cancel of a waiting job   T5 with outcome cancelled, then T7 and T8 from ready
//   T12 cancel of a running job   create run/<runner>/<id>.cancel, fsync
//
// docs/queue.md has the crash argument; tests/queue/crash_sweep_test.cpp tries every step.
//
// Privilege: none.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "queue/disk.h"
#include "queue/index.h"
#include "queue/outbox.h"
#include "queue/queue.h"
#include "queue/watcher.h"

namespace milonga::queue {

struct SpoolOptions {
  std::string path;             // directory
  bool create = false;          // make a new spool if there is none
  bool allow_volatile = false;  // accept tmpfs and overlay: tests, demonstrations
  int max_attempts = 3;         // executions of one job before it is given up
  std::unique_ptr<Disk> disk;   // instead of the real one at `path`; then nothing is watched (tests)
};

// Whether reading failed by what stands there, and would again; everything else may pass.
bool is_broken(const Error& error);

// Fails in one line: not there, not a spool, another version, an unfit file system.
Result<std::unique_ptr<Queue>> open_spool(SpoolOptions options);

class Spool : public Queue {
 public:
  Spool(std::unique_ptr<Disk> disk, int max_attempts, bool watch);
  ~Spool() override { resign(); }

  Result<void> open(bool create);

  Result<JobId> submit(Job job, const std::string& source_dir) override;
  Result<Recovery> become_runner(bool exclusive, const KillOrphan& kill_orphan) override;
  Result<void> introduce(const std::string& about_json) override;
  Result<std::optional<Claim>> claim() override;
  Result<void> make_claims_durable() override;
  Result<bool> commit(const Claim& claim, const Completion& completion) override;
  Result<void> retry(const Claim& claim, const std::string& reason, std::chrono::milliseconds delay,
                     Attempt attempt) override;
  [[nodiscard]] int changes_fd() const override { return watcher_ ? watcher_->fd() : -1; }
  [[nodiscard]] std::optional<std::uint64_t> waiting() const override { return index_.size(); }
  Result<std::vector<JobId>> take_changes() override;
  std::vector<std::string> take_notes() override { return std::exchange(notes_, {}); }
  void resign() override;
  Result<CancelAnswer> cancel(JobId id, const std::string& by) override;
  Result<std::optional<Status>> find(JobId id) override;
  Result<std::optional<ResultRecord>> find_result(JobId id) override;
  Result<std::vector<Status>> list(std::size_t limit) override;
  Result<Stats> stats() override;
  Result<std::vector<Runner>> runners() override;
  Result<int> watch(JobId id, int earlier = -1) override;
  Result<void> copy_input(const InputFile& file, int to_fd) override;
  Outbox* outbox() override { return &outbox_; }

 private:
  // Where a job's file is.
  struct Place {
    State state = State::waiting;
    std::string directory;  // "ready/<lane>", "run/<runner>" or "done/<shard>"
    JobName name;
  };

  // spool.cpp
  std::string temporary(const char* what);
  Result<void> ensure_directory(const std::string& path, const std::string& parent);
  Result<void> write_file(const std::string& path, std::string_view bytes);
  Result<Job> read_record(const std::string& directory, const JobName& name);
  void quarantine(const std::string& directory, const std::string& name, const std::string& why);
  Result<void> make_layout();
  Result<void> make_directories();
  Result<JobId> allocate_id();

  // spool_claim.cpp
  Result<void> scan_ready();
  Result<void> scan_lane(const std::string& lane);
  void add_waiting(const std::string& lane, const JobName& name);
  Result<std::optional<Claim>> take(const Waiting& waiting);
  Result<void> take_news(Watcher::News news, std::vector<JobId>& cancelled);
  Result<void> arm_timer();

  // spool_commit.cpp
  Result<void> keep_feedback(const std::string& work_dir, const Completion& completion, ResultRecord& record);
  Result<bool> link_result(const ResultRecord& record);
  Result<void> leave(const std::string& directory, const JobName& name, const Job& job, const std::string& work_dir);
  Result<bool> is_of_another(const std::string& record, const std::string& kept);
  Result<void> publish(const Job& job);
  Result<void> heed_left_mark(const std::string& runner, JobId id);
  Result<bool> is_marked_cancelled(const std::string& runner, JobId id);
  Result<bool> has_result(JobId id);
  Result<bool> is_decided(JobId id);
  [[nodiscard]] std::string work_dir(const std::string& runner, const JobName& name) const;

  // spool_recover.cpp
  Result<void> take_identity(bool exclusive);
  Result<std::string> living_daemon();
  Result<void> recover_runner(const std::string& dead, const KillOrphan& kill_orphan, Recovery& recovery);
  Result<void> remove_runner(const std::string& dead);
  Result<void> recover_job(const std::string& dead, const JobName& name, const KillOrphan& kill_orphan, Recovery& recovery);
  Result<void> remove_dead_tmp(Recovery& recovery);
  Result<void> check_ids();
  Result<JobId> highest_id(JobId next);

  // spool_view.cpp
  Result<std::vector<Place>> places();  // of all jobs that are not done
  Result<Status> describe(const Place& place, std::int64_t position);
  Result<std::optional<Status>> describe_done(JobId id);
  Result<void> read_job_of(JobId id, const std::string& path, Status& status);
  Result<ResultRecord> result_of(JobId id);
  Result<std::vector<std::string>> done_files();

  std::unique_ptr<Disk> disk_;
  int max_attempts_;
  bool watch_;
  std::string runner_;  // directory name below run/; empty: not a runner
  std::unique_ptr<Disk::Lock> spool_lock_, runner_lock_;
  std::optional<Watcher> watcher_;
  SpoolOutbox outbox_;
  Index index_;
  std::map<JobId, JobName> held_;  // our claims
  std::set<std::string> flushed_;  // lanes and shards whose names are on disk
  bool news_lost_ = false;         // some news was taken and not heeded: list everything
  int quarantined_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace milonga::queue
