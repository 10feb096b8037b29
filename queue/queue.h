// The queue: what was accepted is never lost, never has two results, is never
// stuck (promise 5). One interface; the engine here is the spool (spool.h).
//
// Every call is synchronous; those marked "durable" return after the state is on
// disk. None throws. A Queue object belongs to one thread.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "queue/job.h"

namespace milonga::queue {

enum class State { waiting, running, done };

// Why a job ended. The texts are what the result record holds.
enum class Outcome {
  graded,     // the box ran; the report has the verdict, whatever it is
  cancelled,
  gave_up,    // infrastructure failed max_attempts times; `reason` says how
};

// What a runner hands in for one job.
struct Completion {
  Outcome outcome = Outcome::graded;
  std::string reason;       // one line, e.g. the final reason of the lifecycle
  std::string report_json;  // autodriver's report as it is; empty unless the box ran
  std::string timing_json;  // object step -> seconds; may be empty
  // Feedback: the file below the claim's work directory that holds it; it is
  // linked into done/ before the result record. Empty: no feedback.
  std::string feedback_name;
};

// What stands in done/<shard>/<id>.res.
struct ResultRecord {
  JobId id = 0;
  int attempt = 0;
  Outcome outcome = Outcome::graded;
  std::string reason;
  std::string report_json;
  std::string timing_json;
  std::string feedback_path;    // absolute; empty if there is none
  std::string feedback_sha256;
  std::uint64_t feedback_size = 0;
  std::int64_t finished_ms = 0;  // UTC
};

// A job held by this runner until commit, retry or its death. The lease is the
// runner's own lock: it has no deadline.
struct Claim {
  Job job;
  int attempt = 1;        // 1 for the first execution
  std::string work_dir;   // absolute; fresh, empty, this runner's; removed by commit and retry.
                          // The live output of the job is in <work_dir>/output while it runs.
};

struct Status {
  Job job;
  State state = State::waiting;
  int attempt = 0;
  std::int64_t position = -1;  // waiting: 0 = next
  std::string runner;          // running: who
  std::string live_output;     // running: path of the output so far; may not exist yet
  bool cancel_requested = false;
  bool left = true;            // done: and its runner has no more to do with it, as to publish it; then `job` is whole
  std::string publish_error;   // done: why Job::output could not be written; empty if it was
  // Why a record of this job cannot be read; empty if all can. What it would say is
  // missing: of `job` all but the id, or, of a job that is done, `result`.
  std::string record_error;
  std::optional<ResultRecord> result;  // done
};

// A runner that lives.
struct Runner {
  std::string name;
  std::string about_json;   // how it introduced itself; empty: not (yet)
  std::size_t running = 0;  // its jobs
};

enum class CancelAnswer { cancelled, cancelling, already_done, unknown_id };

// What recovery found; printed by the daemon at its start. Details are in take_notes().
struct Recovery {
  int requeued = 0, gave_up = 0, cancelled = 0, finished = 0;  // jobs of dead runners
  int quarantined = 0;     // broken files moved to bad/
  int removed_tmp = 0;     // unfinished files of the dead
};

struct Stats {
  std::uint64_t waiting = 0, running = 0, done = 0, bad = 0;
};

class Outbox;

class Queue {
 public:
  virtual ~Queue() = default;

  // Accepts a job whose inputs are files below `source_dir` of the caller (read
  // with the caller's rights). Job::files is filled in here; id and created_ms
  // are given here. Durable. Fails, with no job left behind, if a file cannot
  // be read, is neither file, directory nor symbolic link, a name is not UTF-8,
  // the disk is full, the queue belongs to another user... Inputs that were
  // already stored stay: another producer may count on them by now.
  virtual Result<JobId> submit(Job job, const std::string& source_dir) = 0;

  // --- for runners: after become_runner() -----------------------------------

  // Takes a runner identity (a locked directory) and recovers what dead runners
  // left. `kill_orphan` is called for each job found in a dead runner, before
  // it is offered again, with the dead runner's work directory of it: it must
  // return only when nothing of it is alive.
  // Fails if `exclusive` and another live runner holds this queue.
  using KillOrphan = std::function<void(const Job& job, int attempt, const std::string& work_dir)>;
  virtual Result<Recovery> become_runner(bool exclusive, const KillOrphan& kill_orphan) = 0;

  // Tells everyone who asks for runners() what this one is: one JSON object, kept
  // as it is for as long as the runner lives. Once.
  virtual Result<void> introduce(const std::string& about_json) = 0;

  // The next job, or nothing. The claim is durable when make_claims_durable()
  // has returned; untrusted code must not start before. On failure the job waits
  // on as it was, and comes up again some seconds later, after the others.
  virtual Result<std::optional<Claim>> claim() = 0;
  virtual Result<void> make_claims_durable() = 0;

  // Ends a claim for good. Durable; idempotent: if the job already has a result
  // (another runner's), that one stands and `false` is returned.
  virtual Result<bool> commit(const Claim& claim, const Completion& completion) = 0;

  // Gives a claim back for another attempt, not before `delay` from now; commits
  // gave_up instead when the attempts are used up (max_attempts), with the file
  // "feedback" of the work directory, if there is one. An attempt that
  // was broken off for a reason of ours (the daemon stops) is not counted.
  enum class Attempt { counts, does_not_count };
  virtual Result<void> retry(const Claim& claim, const std::string& reason, std::chrono::milliseconds delay,
                             Attempt attempt = Attempt::counts) = 0;

  // About how many jobs wait, as far as this runner has seen, at no cost; nothing where that is not known.
  [[nodiscard]] virtual std::optional<std::uint64_t> waiting() const { return std::nullopt; }

  // A descriptor that is readable when claim() may have something new, a cancel
  // mark of one of our claims has come, or a delayed job is due. Then call
  // take_changes(), which empties it and returns the ids of claims to cancel.
  [[nodiscard]] virtual int changes_fd() const = 0;
  // What could not be read for a passing reason is read at the next call.
  virtual Result<std::vector<JobId>> take_changes() = 0;

  // What happened beside the jobs since the last call, one line each, for the
  // log: files that were set aside, directories that cannot be read.
  virtual std::vector<std::string> take_notes() = 0;

  // Gives the runner identity up; its claims must have ended. Called by the destructor too.
  virtual void resign() = 0;

  // --- for everyone ----------------------------------------------------------

  // Waiting: committed as cancelled, durable. Running: marked, durable; the
  // runner kills the box and commits.
  virtual Result<CancelAnswer> cancel(JobId id, const std::string& by) = 0;

  virtual Result<std::optional<Status>> find(JobId id) = 0;
  // Only the result, if there is one: costs the same however many jobs there are.
  virtual Result<std::optional<ResultRecord>> find_result(JobId id) = 0;
  // Newest last; `limit` 0 = all. Waiting and running jobs first by state, then the newest done ones.
  virtual Result<std::vector<Status>> list(std::size_t limit) = 0;
  virtual Result<Stats> stats() = 0;
  // Those that live, by name.
  virtual Result<std::vector<Runner>> runners() = 0;

  // A descriptor that is readable when the state of `id` may have changed; the caller
  // owns it, waits on it, and calls find() again. To wait on, call it again and give
  // the descriptor as `earlier`: it is emptied, made to see what is new, and returned.
  // (Closing one costs milliseconds: the kernel waits until no CPU can be using it.)
  virtual Result<int> watch(JobId id, int earlier = -1) = 0;

  // Reads a pinned input: copies the blob to the given descriptor's file. Fails if
  // the bytes are not those that were submitted; what was copied is then rubbish.
  virtual Result<void> copy_input(const InputFile& file, int to_fd) = 0;

  // The callbacks of jobs that are done (outbox.h); this queue's own. Null: this engine keeps none.
  virtual Outbox* outbox() { return nullptr; }
};

}  // namespace milonga::queue
