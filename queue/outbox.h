// Callbacks that are owed: who named a URL with a job is told of its end. A
// callback is owed from the moment that the job's result stands, and until it is
// delivered or given up; over any crash. It may be sent twice if a crash comes
// between the answer and the note of it, and never without one.
//
//   outbox/<id>                empty: this job's callback is owed, or was given up
//   outbox/<id>.again          a person asks for it once more; removed when that was heard
//   done/<id/1000>/<id>.callback   what became of it so far, one line; never flushed
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "queue/disk.h"
#include "queue/job.h"
#include "queue/watcher.h"

namespace milonga::queue {

enum class CallbackState { owed, given_up, delivered };
const char* callback_state_name(CallbackState state);

struct Callback {
  JobId id = 0;
  CallbackState state = CallbackState::owed;
  int tries = 0;            // requests made so far
  std::int64_t due_ms = 0;  // owed: not before (UTC, Unix time); 0 = now
  std::int64_t at_ms = 0;   // of the last try; 0 = there was none
  std::string last;         // what came of it: "status 204", "status 500", "connection refused"
  bool again = false;       // a person asked for it since: tries and due begin anew
};

// One interface; like Queue, each object belongs to one thread.
class Outbox {
 public:
  virtual ~Outbox() = default;

  // Owed and given up, by id.
  virtual Result<std::vector<Callback>> list() = 0;
  // What is known of this job's callback: nothing if it has none, or has not ended.
  virtual Result<std::optional<Callback>> find(JobId id) = 0;

  // --- for the daemon, which alone sends ---
  // Readable when there may be new ones; then call take_changes(). -1: this engine tells nothing.
  [[nodiscard]] virtual int changes_fd() const = 0;
  // Those that came, or were asked for again, since the last call; at the first call, and when news was lost,
  // all.
  virtual Result<std::vector<Callback>> take_changes() = 0;
  // After a try: keeps `callback` as it is now. One that is delivered is owed no longer.
  virtual Result<void> keep(const Callback& callback) = 0;

  // --- for people ---
  // Owes the callback of a job that is done, once more and from the beginning. Durable.
  virtual Result<void> send_again(JobId id) = 0;
};

// The spool's. `disk` must outlive it.
class SpoolOutbox : public Outbox {
 public:
  SpoolOutbox(Disk& disk, bool watch) : disk_(disk), watch_(watch) {}

  // Before a job leaves for done/: its callback is owed from now on, unless it was delivered. Durable,
  // idempotent.
  Result<void> owe(const Job& job);

  Result<std::vector<Callback>> list() override;
  Result<std::optional<Callback>> find(JobId id) override;
  [[nodiscard]] int changes_fd() const override { return watcher_ ? watcher_->fd() : -1; }
  Result<std::vector<Callback>> take_changes() override;
  Result<void> keep(const Callback& callback) override;
  Result<void> send_again(JobId id) override;

  // Begins to watch; before that changes_fd() is -1.
  Result<void> watch();

 private:
  Result<Callback> read(JobId id);
  Result<void> heed(JobId id);

  Disk& disk_;
  bool watch_;
  std::optional<Watcher> watcher_;
  bool all_ = true;  // the next take_changes() lists everything
};

}  // namespace milonga::queue
