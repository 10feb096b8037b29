// The work that the crash tests cut short, and what must hold afterwards.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "queue/queue.h"
#include "tests/queue/crash_disk.h"

namespace milonga::queue {

// What was promised to somebody before things went wrong.
struct Ledger {
  std::set<JobId> accepted;
  std::map<JobId, std::string> answered;  // id -> feedback that a commit was acknowledged for
  std::set<JobId> cancelled;              // acknowledged as cancelled while waiting
  std::set<JobId> cancelling;             // acknowledged as marked while running
};

class Scenario {
 public:
  Scenario();
  ~Scenario();
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;

  // A process that opens the spool; nothing if it cannot.
  static std::unique_ptr<Queue> open(const std::shared_ptr<CrashFs>& fs);
  void submit(Queue& queue, Ledger& ledger, const std::string& lane) { submit(queue, ledger, lane, lab_); }
  // The next claim, durable; nothing if there is none.
  static std::optional<Claim> next(Queue& queue);
  // Runs one claimed job: writes its feedback, as a runner does, and commits.
  static void run(const std::shared_ptr<CrashFs>& fs, Queue& queue, const Claim& claim, Ledger* ledger, Outcome outcome);

  // Every step of the queue: submit, claim, commit, retry, cancel of a waiting and of a running job.
  void first_day(const std::shared_ptr<CrashFs>& fs, Ledger& ledger);
  // Others go on where somebody was killed: they submit to the same lanes, recover, and run what there is.
  void second_day(const std::shared_ptr<CrashFs>& fs, Ledger& ledger);
  // After the power is back: a producer that is there before any daemon, then
  // recovery, and what is to be run. Nothing, or what went wrong.
  std::string recover_and_drain(const std::shared_ptr<CrashFs>& fs, const Ledger& before);
  // A new runner recovers, runs all there is and resigns; false if it could not.
  static bool recover(const std::shared_ptr<CrashFs>& fs, Ledger* ledger = nullptr);
  // Everything that must hold on a drained spool; the first thing that does not, or nothing.
  static std::string violation(const std::shared_ptr<CrashFs>& fs, const Ledger& ledger, const Observer& observer);

  static inline const Queue::KillOrphan no_orphans = [](const Job&, int, const std::string&) {};
  std::mt19937 random;

 private:
  void submit(Queue& queue, Ledger& ledger, const std::string& lane, const std::filesystem::path& files);
  int outputs_ = 0;
  std::filesystem::path lab_, other_;
};

}  // namespace milonga::queue
