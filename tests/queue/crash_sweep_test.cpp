// The crash sweep: power fails after every operation, every legal disk is found
// afterwards, the queue recovers and goes on; no job is lost, none has a second
// result, none is stuck. And the sweep itself is tested: each flush that is left
// out must turn it red.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "base/sha256.h"
#include "queue/inputs.h"
#include "queue/record.h"
#include "queue/spool.h"
#include "tests/queue/crash_disk.h"

namespace milonga::queue {
namespace {

constexpr int kExhaustive = 6;      // all subsets of up to so many pending names
constexpr int kRandomSubsets = 24;  // beyond that
constexpr unsigned kSeed = 20261123;

// What was promised to somebody before the machine went off.
struct Ledger {
  std::set<JobId> accepted;
  std::map<JobId, std::string> answered;  // id -> feedback that a commit was acknowledged for
  std::set<JobId> cancelled;              // acknowledged as cancelled while waiting
  std::set<JobId> cancelling;             // acknowledged as marked while running
};

class Sweep {
 public:
  Sweep() {
    char pattern[] = "/var/tmp/crash-sweep-XXXXXX";
    lab_ = ::mkdtemp(pattern);
    std::ofstream(lab_ / "Makefile") << "all:\n\techo hello\n";
    std::ofstream(lab_ / "data") << "data\n";
    // Other content, or it would put lost inputs of the same content back.
    other_ = ::mkdtemp(std::string("/var/tmp/crash-sweep-XXXXXX").data());
    std::ofstream(other_ / "Makefile") << "all:\n\techo other\n";
    std::ofstream(other_ / "data") << "other data\n";
  }
  ~Sweep() {
    std::filesystem::remove_all(lab_);
    std::filesystem::remove_all(other_);
  }
  Sweep(const Sweep&) = delete;
  Sweep& operator=(const Sweep&) = delete;

  std::unique_ptr<Queue> open(const std::shared_ptr<CrashFs>& fs) {
    SpoolOptions options;
    options.create = true;
    options.disk = make_crash_disk(fs);
    auto queue = open_spool(std::move(options));
    return queue ? std::move(*queue) : nullptr;
  }

  void submit(Queue& queue, Ledger& ledger, const std::string& lane, const std::filesystem::path& files) {
    Job job;
    job.name = "t";
    job.lane = lane;
    job.directory = "lab";
    job.output = "/out/" + std::to_string(++outputs_);
    job.callback_url = "http://localhost/" + std::to_string(outputs_);
    if (const auto id = queue.submit(job, files)) ledger.accepted.insert(*id);
  }

  // Runs one claimed job: writes its feedback, as a runner does, and commits.
  static void run(const std::shared_ptr<CrashFs>& fs, Queue& queue, const Claim& claim, Ledger* ledger, Outcome outcome) {
    auto disk = make_crash_disk(fs);
    const std::string text = "job " + std::to_string(claim.job.id) + " run by " + disk->owner() + "\n";
    const std::string path = claim.work_dir.substr(std::string("/crash/").size()) + "/feedback";
    const auto file = disk->create(path);
    if (!file) return;
    (void)disk->write(*file, text);
    disk->close_file(*file);
    Completion end;
    end.outcome = outcome;
    end.feedback_name = "feedback";
    const auto committed = queue.commit(claim, end);
    if (committed && *committed && ledger != nullptr) ledger->answered[claim.job.id] = text;
  }

  // Sends the callbacks that are owed, as the daemon does: the request, then the note of it.
  static void call_back(const std::shared_ptr<CrashFs>& fs, Queue& queue) {
    auto owed = queue.outbox()->take_changes();
    if (!owed || fs->crashed()) return;
    for (Callback& callback : *owed) {
      const auto status = queue.find(callback.id);
      if (!status || !*status || !(*status)->result) return;
      if (fs->crashed()) return;
      const ResultRecord& result = *(*status)->result;
      fs->observer().called[callback.id].push_back(std::string(outcome_name(result.outcome)) + result.feedback_sha256);
      callback.state = CallbackState::delivered;
      (void)queue.outbox()->keep(callback);
    }
  }

  std::optional<Claim> next(Queue& queue) {
    if (!queue.take_changes()) return std::nullopt;
    auto claim = queue.claim();
    if (!claim || !*claim || !queue.make_claims_durable()) return std::nullopt;
    return **claim;
  }

  // The work that is cut short at every operation.
  void scenario(const std::shared_ptr<CrashFs>& fs, Ledger& ledger) {
    auto producer = open(fs);
    if (!producer) return;
    for (const char* lane : {"a", "a", "b"}) submit(*producer, ledger, lane, lab_);
    auto runner = open(fs);
    if (!runner || !runner->become_runner(true, no_orphans)) return;
    if (auto first = next(*runner)) run(fs, *runner, *first, &ledger, Outcome::graded);
    call_back(fs, *runner);
    if (auto second = next(*runner)) (void)runner->retry(*second, "driver", std::chrono::milliseconds(0), Queue::Attempt::counts);
    if (auto again = next(*runner)) run(fs, *runner, *again, &ledger, Outcome::graded);
    submit(*producer, ledger, "c", lab_);
    auto cli = open(fs);
    if (!cli || fs->crashed()) return;
    if (ledger.accepted.contains(4))
      if (const auto answer = cli->cancel(4, "uid:0"); answer && *answer == CancelAnswer::cancelled) ledger.cancelled.insert(4);
    auto third = next(*runner);
    if (!third) return;
    if (const auto answer = cli->cancel(third->job.id, "uid:0"); answer && *answer == CancelAnswer::cancelling)
      ledger.cancelling.insert(third->job.id);
    if (runner->take_changes()) run(fs, *runner, *third, nullptr, Outcome::cancelled);
    call_back(fs, *runner);
    runner->resign();
  }

  // After the power is back: a producer that was there before any daemon, then
  // recovery, and what is to be run. Nothing, or what went wrong.
  std::string recover_and_drain(const std::shared_ptr<CrashFs>& fs, const Ledger& before) {
    if (auto early = open(fs)) {
      Ledger now;
      submit(*early, now, "a", other_);
      for (const JobId id : now.accepted)
        if (before.accepted.contains(id)) return "id " + std::to_string(id) + " was given out twice";
    }
    return recover(fs) ? "" : "recovery failed";
  }

  // Somebody is told what became of it.
  void cancel(const std::shared_ptr<CrashFs>& fs, Queue& queue, Ledger& ledger, JobId id) {
    const auto answer = queue.cancel(id, "uid:0");
    if (!answer) return;
    if (*answer == CancelAnswer::cancelled) ledger.cancelled.insert(id);
    if (*answer == CancelAnswer::cancelling) ledger.cancelling.insert(id);
    if (*answer != CancelAnswer::already_done) return;
    const auto status = queue.find(id);
    if (!status || !*status || !(*status)->result) return;
    const ResultRecord& result = *(*status)->result;
    if (result.outcome == Outcome::cancelled) ledger.cancelled.insert(id);
    if (result.outcome == Outcome::graded)
      ledger.answered[id] = make_crash_disk(fs)->read(result.feedback_path.substr(7), 1 << 20).value_or("unreadable");
  }

  bool recover(const std::shared_ptr<CrashFs>& fs, Ledger* ledger = nullptr) {
    auto runner = open(fs);
    if (!runner || !runner->become_runner(true, no_orphans)) return false;
    for (int i = 0; i < 20; ++i) {
      auto claim = next(*runner);
      if (!claim) break;
      run(fs, *runner, *claim, ledger, Outcome::graded);
    }
    call_back(fs, *runner);
    runner->resign();
    return !fs->crashed();
  }

  // Everything that must hold on a drained spool; the first thing that does not, or nothing.
  std::string violation(const std::shared_ptr<CrashFs>& fs, const Ledger& ledger, const Observer& observer) {
    auto disk = make_crash_disk(fs);
    auto queue = open(fs);
    if (!queue) return "the spool does not open";
    for (const JobId id : ledger.accepted) {
      const auto status = queue->find(id);
      const std::string job = "job " + std::to_string(id) + " ";
      if (!status || !*status) return job + "is lost";
      if (!(*status)->result) return job + "is stuck: " + ((*status)->state == State::waiting ? "waiting" : "running");
      const ResultRecord& result = *(*status)->result;
      std::string feedback;
      if (!result.feedback_path.empty()) {
        const auto bytes = disk->read(result.feedback_path.substr(7), 1 << 20);
        if (!bytes || sha256_hex(*bytes) != result.feedback_sha256) return job + "has not the feedback that its result names";
        feedback = *bytes;
      } else if (result.outcome == Outcome::graded) {
        return job + "is graded without feedback";
      }
      if (const auto before = ledger.answered.find(id); before != ledger.answered.end() && before->second != feedback)
        return job + "has another result than the one that was answered";
      if (ledger.cancelled.contains(id) && result.outcome != Outcome::cancelled) return job + "was cancelled and ran all the same";
      if (ledger.cancelling.contains(id) && result.outcome == Outcome::graded)
        return job + "was marked as cancelled and graded all the same";
      const auto called = observer.called.find(id);
      if (called == observer.called.end()) return job + "has lost its callback";
      for (const std::string& said : called->second)
        if (said != outcome_name(result.outcome) + result.feedback_sha256) return job + "called back with what is not its result";
      if (result.attempt > 3) return job + "had more than three attempts";
      for (const InputFile& file : (*status)->job.files) {
        const auto blob = disk->read(blob_path(file.sha256), 1 << 20);
        if (!blob || sha256_hex(*blob) != file.sha256) return job + "has lost its input " + file.path;
      }
      if ((*status)->job.files.size() != 2) return job + "has lost the list of its inputs";
    }
    for (const auto& [path, contents] : observer.published)
      if (contents.size() > 1) return "two different results were published at " + path;
    for (const char* empty : {"tmp", "run", "bad", "work", "outbox"})
      if (const auto names = disk->list(empty); !names || !names->empty())
        return std::string(empty) + "/ is not empty: " + (names ? names->front() : "");
    const auto lanes = disk->list("ready");
    for (const std::string& lane : *lanes)
      if (!disk->list("ready/" + lane)->empty()) return "ready/" + lane + " is not empty";
    return {};
  }

  [[nodiscard]] const std::filesystem::path& lab() const { return lab_; }

  static inline const Queue::KillOrphan no_orphans = [](const Job&, int, const std::string&) {};
  std::mt19937 random{kSeed};
  int outputs_ = 0;
  std::filesystem::path lab_, other_;
};

// The subsets of the pending names that a crash may have kept.
std::vector<std::vector<bool>> subsets(std::size_t n, std::mt19937& random, int samples) {
  std::vector<std::vector<bool>> all;
  if (n <= kExhaustive) {
    for (std::size_t bits = 0; bits < (std::size_t{1} << n); ++bits) {
      std::vector<bool> kept(n);
      for (std::size_t i = 0; i < n; ++i) kept[i] = (bits >> i & 1) != 0;
      all.push_back(kept);
    }
    return all;
  }
  all.emplace_back(n, true);
  all.emplace_back(n, false);
  for (std::size_t i = 0; i < n; ++i) {
    all.emplace_back(n, true);
    all.back()[i] = false;
    all.emplace_back(n, false);
    all.back()[i] = true;
  }
  for (int s = 0; s < samples; ++s) {
    std::vector<bool> kept(n);
    for (std::size_t i = 0; i < n; ++i) kept[i] = random() % 2 == 0;
    all.push_back(kept);
  }
  return all;
}

struct Count {
  int points = 0, disks = 0, second_points = 0, second_disks = 0;
  std::string violation;  // the first
};

// How much of it: the whole, or (mutants) until the first violation with fewer samples.
struct Extent {
  int samples = kRandomSubsets;
  bool second_level = true;
  bool stop_at_first = true;
};

class Runner {
 public:
  Runner(Sweep& sweep, Extent extent, std::set<std::string> broken = {})
      : sweep_(sweep), extent_(extent), broken_(std::move(broken)) {}

  Count run() {
    for (int point = 0; count_.violation.empty(); ++point) {
      auto observer = std::make_shared<Observer>();
      auto fs = fresh(observer);
      Ledger ledger;
      fs->crash_at(point);
      sweep_.scenario(fs, ledger);
      sites.insert(fs->sites_seen.begin(), fs->sites_seen.end());
      if (!fs->crashed() && fs->operations() <= point) break;  // the scenario is shorter than that
      ++count_.points;
      try_disks(*fs, ledger, *observer, point);
    }
    return count_;
  }
  std::set<std::string> sites;

  // All processes are killed after every operation; others go on with what they
  // left, flushed or not, and answer people; then the power fails.
  // Half of the jobs are cancelled before the others are run: those with this parity.
  Count run_killed(JobId parity) {
    for (int point = 0; count_.violation.empty(); ++point) {
      auto observer = std::make_shared<Observer>();
      auto fs = fresh(observer);
      Ledger ledger;
      fs->crash_at(point);
      sweep_.scenario(fs, ledger);
      if (!fs->crashed() && fs->operations() <= point) break;
      ++count_.points;
      fs->restart_processes();
      if (auto producer = sweep_.open(fs)) {
        sweep_.submit(*producer, ledger, "a", sweep_.lab());  // the same content: it relies on blobs that are there
        try_disks(*fs, ledger, *observer, point);
        // Newest first: what is flushed for an older one must not hide what is not for a newer.
        for (const JobId id : std::set<JobId, std::greater<>>(ledger.accepted.begin(), ledger.accepted.end()))
          if (id % 2 == parity) {
            sweep_.cancel(fs, *producer, ledger, id);
            try_disks(*fs, ledger, *observer, point);
          }
      }
      if (!sweep_.recover(fs, &ledger)) note("recovery failed", point, -1, *fs, {});
      try_disks(*fs, ledger, *observer, point);
    }
    return count_;
  }

 private:
  std::shared_ptr<CrashFs> fresh(const std::shared_ptr<Observer>& observer) {
    auto fs = std::make_shared<CrashFs>(observer);
    fs->broken_sites = broken_;
    return fs;
  }

  void try_disks(const CrashFs& fs, const Ledger& ledger, const Observer& observer, int point) {
    std::set<std::size_t> seen;
    for (const auto& kept : subsets(fs.pending(), sweep_.random, extent_.samples))
      for (const DataMode mode : {DataMode::empty, DataMode::torn, DataMode::whole}) {
        auto disk = fs.materialise(kept, mode);
        if (!seen.insert(std::hash<std::string>{}(disk->image())).second) continue;
        ++count_.disks;
        Observer watched = observer;
        auto again = std::make_shared<Observer>(watched);
        disk = with_observer(fs, kept, mode, again);
        const std::string failed = sweep_.recover_and_drain(disk, ledger);
        note(failed.empty() ? sweep_.violation(disk, ledger, *again) : failed, point, -1, fs, kept);
        sites.insert(disk->sites_seen.begin(), disk->sites_seen.end());
        if (extent_.second_level && count_.disks % 40 == 1) crash_in_recovery(fs, kept, mode, ledger, watched, point);
        if (!count_.violation.empty() && extent_.stop_at_first) return;
      }
  }

  std::shared_ptr<CrashFs> with_observer(const CrashFs& fs, const std::vector<bool>& kept, DataMode mode,
                                         const std::shared_ptr<Observer>& observer) {
    auto disk = fs.materialise(kept, mode);
    disk->observe(observer);
    return disk;
  }

  // The machine goes off again while it recovers and drains, at every operation.
  void crash_in_recovery(const CrashFs& fs, const std::vector<bool>& kept, DataMode mode, const Ledger& ledger,
                         const Observer& before, int point) {
    for (int second = 0;; ++second) {
      auto observer = std::make_shared<Observer>(before);
      auto disk = with_observer(fs, kept, mode, observer);
      disk->crash_at(second);
      if (sweep_.recover(disk)) return;  // it ended before that
      ++count_.second_points;
      const std::size_t n = disk->pending();
      std::vector<bool> some(n);
      for (std::size_t i = 0; i < n; ++i) some[i] = sweep_.random() % 2 == 0;
      for (const auto& kept_again : {std::vector<bool>(n, true), std::vector<bool>(n, false), some}) {
        auto after = std::make_shared<Observer>(*observer);
        auto last = disk->materialise(kept_again, DataMode::torn);
        last->observe(after);
        ++count_.second_disks;
        const std::string failed = sweep_.recover_and_drain(last, ledger);
        note(failed.empty() ? sweep_.violation(last, ledger, *after) : failed, point, second, *disk, kept_again);
        if (!count_.violation.empty()) return;
      }
    }
  }

  void note(const std::string& what, int point, int second, const CrashFs& fs, const std::vector<bool>& kept) {
    if (what.empty() || !count_.violation.empty()) return;
    count_.violation = what + " (crash after operation " + std::to_string(point) +
                       (second >= 0 ? ", and in recovery after " + std::to_string(second) : std::string()) + ", seed " +
                       std::to_string(kSeed) + ")\n" + fs.pending_text(kept);
  }

  Sweep& sweep_;
  Extent extent_;
  std::set<std::string> broken_;
  Count count_;
};

TEST(CrashSweep, TheScenarioWithoutACrashEndsWell) {
  Sweep sweep;
  auto observer = std::make_shared<Observer>();
  auto fs = std::make_shared<CrashFs>(observer);
  Ledger ledger;
  sweep.scenario(fs, ledger);
  EXPECT_EQ(ledger.accepted.size(), 4u);
  EXPECT_EQ(ledger.answered.size(), 2u);
  EXPECT_EQ(ledger.cancelled.size(), 1u);
  EXPECT_EQ(ledger.cancelling.size(), 1u);
  EXPECT_EQ(sweep.violation(fs, ledger, *observer), "");
  for (const auto& [id, said] : observer->called) EXPECT_EQ(said.size(), 1u) << "job " << id;  // twice only by a crash
}

TEST(CrashSweep, NoJobIsLostDoubledOrStuckAtAnyPointOnAnyLegalDisk) {
  Sweep sweep;
  Runner runner(sweep, {});
  const Count count = runner.run();
  std::printf("crash points: %d, legal disks: %d; in recovery: %d points, %d disks; lost, doubled or stuck: %s\n", count.points,
              count.disks, count.second_points, count.second_disks, count.violation.empty() ? "0" : "see below");
  EXPECT_EQ(count.violation, "");
  EXPECT_GT(count.points, 150);
  EXPECT_GT(count.disks, 2000);
}

TEST(CrashSweep, WhatKilledProcessesLeftUnflushedIsFlushedBeforeItIsReliedOn) {
  Sweep sweep;
  Extent once;
  once.second_level = false;
  once.samples = 8;
  for (const JobId parity : {0, 1}) {
    Runner runner(sweep, once);
    const Count count = runner.run_killed(parity);
    std::printf("points of the kill: %d, legal disks after it: %d; lost, doubled or stuck: %s\n", count.points, count.disks,
                count.violation.empty() ? "0" : "see below");
    EXPECT_EQ(count.violation, "");
    EXPECT_GT(count.points, 150);
  }
}

TEST(CrashSweep, EachFlushThatIsLeftOutTurnsItRed) {
  Sweep sweep;
  Extent quick;
  quick.samples = 12;
  quick.second_level = false;
  Runner sound(sweep, quick);
  ASSERT_EQ(sound.run().violation, "");
  int red = 0;
  for (const std::string& site : sound.sites) {
    Runner mutant(sweep, quick, {site});
    const Count count = mutant.run();
    std::printf("without %-24s %s\n", site.c_str(),
                count.violation.empty() ? "NOT SEEN" : count.violation.substr(0, count.violation.find('\n')).c_str());
    EXPECT_NE(count.violation, "") << site << ": either no flush is needed there, or the sweep has a hole";
    red += !count.violation.empty();
  }
  std::printf("%d of %zu flushes left out, one at a time, turned the sweep red\n", red, sound.sites.size());
}

}  // namespace
}  // namespace milonga::queue
