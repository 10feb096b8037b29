// The crash sweep: power fails after every operation, every legal disk is found
// afterwards, the queue recovers and goes on; no job is lost, none has a second
// result, none is stuck. The same after a process was killed at every operation
// and others went on. And the sweep itself is tested: each flush that is left
// out must turn it red.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/queue/crash_scenario.h"

namespace milonga::queue {
namespace {

constexpr int kExhaustive = 6;      // all subsets of up to so many pending names
constexpr int kRandomSubsets = 24;  // beyond that
constexpr unsigned kSeed = 20261123;

using Kept = std::vector<bool>;  // which of the pending names

Kept coin(std::size_t n, std::mt19937& random) {
  Kept kept(n);
  for (std::size_t i = 0; i < n; ++i) kept[i] = random() % 2 == 0;
  return kept;
}

// The subsets of the pending names that a crash may have kept.
std::vector<Kept> subsets(std::size_t n, std::mt19937& random, int samples) {
  std::vector<Kept> all;
  if (n <= kExhaustive) {
    for (std::size_t bits = 0; bits < (std::size_t{1} << n); ++bits) {
      all.emplace_back(n);
      for (std::size_t i = 0; i < n; ++i) all.back()[i] = (bits >> i & 1) != 0;
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
  for (int s = 0; s < samples; ++s) all.push_back(coin(n, random));
  return all;
}

struct Count {
  int points = 0, disks = 0;                  // the machine goes off
  int second_points = 0, second_disks = 0;    // and again in recovery
  int kills = 0, kill_points = 0, kill_disks = 0;  // a process is killed, others go on, then the machine goes off
  std::string violation;  // the first
};

class Sweep {
 public:
  explicit Sweep(Scenario& scenario, std::set<std::string> broken = {}) : scenario_(scenario), broken_(std::move(broken)) {
    scenario_.random.seed(kSeed);
  }

  // Until the first violation. `samples` beyond the exhaustive; `again`: also while it recovers.
  const Count& crash(int samples, bool again) {
    for (int point = 0; ok(); ++point) {
      auto observer = std::make_shared<Observer>();
      auto fs = fresh(observer);
      Ledger ledger;
      fs->crash_at(point);
      scenario_.first_day(fs, ledger);
      sites.insert(fs->sites_seen.begin(), fs->sites_seen.end());
      if (!fs->crashed()) break;  // the scenario is shorter than that
      ++count_.points;
      try_disks(*fs, ledger, *observer, samples, again, "crash at " + std::to_string(point));
    }
    return count_;
  }

  // Each process killed at each operation; then the machine goes off at each
  // operation of those that go on. What the dead had not flushed may be gone.
  const Count& kill() {
    for (int point = 0; ok(); ++point) {
      auto observer = std::make_shared<Observer>();
      auto fs = fresh(observer);
      Ledger ledger;
      fs->kill_at(point);
      scenario_.first_day(fs, ledger);
      if (!fs->killed()) break;
      ++count_.kills;
      fs->kill_at(-1);
      for (int more = 0; ok(); ++more) {
        auto on = std::make_shared<CrashFs>(*fs);
        auto watched = std::make_shared<Observer>(*observer);
        on->observe(watched);
        on->crash_at(fs->operations() + more);
        Ledger later = ledger;
        scenario_.second_day(on, later);
        sites.insert(on->sites_seen.begin(), on->sites_seen.end());
        ++count_.kill_points;
        const std::size_t n = on->pending();
        for (const Kept& kept : {Kept(n, false), coin(n, scenario_.random), coin(n, scenario_.random)}) {
          ++count_.kill_disks;
          check(*on, kept, DataMode::torn, later, *watched,
                "killed at " + std::to_string(point) + ", crash " + std::to_string(more) + " later");
        }
        if (!on->crashed()) break;
      }
    }
    return count_;
  }

  std::set<std::string> sites;

 private:
  [[nodiscard]] bool ok() const { return count_.violation.empty(); }
  std::shared_ptr<CrashFs> fresh(const std::shared_ptr<Observer>& observer) {
    auto fs = std::make_shared<CrashFs>(observer);
    fs->broken_sites = broken_;
    return fs;
  }

  // One disk as it is found after the crash.
  void check(const CrashFs& fs, const Kept& kept, DataMode mode, const Ledger& ledger, const Observer& before,
             const std::string& when) {
    if (!ok()) return;
    auto observer = std::make_shared<Observer>(before);
    auto disk = fs.materialise(kept, mode);
    disk->observe(observer);
    std::string what = scenario_.recover_and_drain(disk, ledger);
    if (what.empty()) what = Scenario::violation(disk, ledger, *observer);
    sites.insert(disk->sites_seen.begin(), disk->sites_seen.end());
    if (!what.empty())
      count_.violation = what + " (" + when + ", seed " + std::to_string(kSeed) + ")\n" + fs.pending_text(kept);
  }

  void try_disks(const CrashFs& fs, const Ledger& ledger, const Observer& observer, int samples, bool again,
                 const std::string& when) {
    std::set<std::size_t> seen;
    for (const Kept& kept : subsets(fs.pending(), scenario_.random, samples))
      for (const DataMode mode : {DataMode::empty, DataMode::torn, DataMode::whole}) {
        if (!ok() || !seen.insert(std::hash<std::string>{}(fs.materialise(kept, mode)->image())).second) continue;
        ++count_.disks;
        check(fs, kept, mode, ledger, observer, when);
        if (again && count_.disks % 40 == 1) crash_in_recovery(fs, kept, mode, ledger, observer, when);
      }
  }

  // The machine goes off again while it recovers and drains, at every operation.
  void crash_in_recovery(const CrashFs& fs, const Kept& kept, DataMode mode, const Ledger& ledger, const Observer& before,
                         const std::string& when) {
    for (int second = 0; ok(); ++second) {
      auto observer = std::make_shared<Observer>(before);
      auto disk = fs.materialise(kept, mode);
      disk->observe(observer);
      disk->crash_at(second);
      if (Scenario::recover(disk)) return;  // it ended before that
      ++count_.second_points;
      const std::size_t n = disk->pending();
      for (const Kept& kept_again : {Kept(n, true), Kept(n, false), coin(n, scenario_.random)}) {
        ++count_.second_disks;
        check(*disk, kept_again, DataMode::torn, ledger, *observer, when + ", again in recovery at " + std::to_string(second));
      }
    }
  }

  Scenario& scenario_;
  std::set<std::string> broken_;
  Count count_;
};

TEST(CrashSweep, TheScenarioWithoutACrashEndsWell) {
  Scenario scenario;
  auto observer = std::make_shared<Observer>();
  auto fs = std::make_shared<CrashFs>(observer);
  Ledger ledger;
  scenario.first_day(fs, ledger);
  EXPECT_EQ(ledger.accepted.size(), 4u);
  EXPECT_EQ(ledger.answered.size(), 2u);
  EXPECT_EQ(ledger.cancelled.size(), 1u);
  EXPECT_EQ(ledger.cancelling.size(), 1u);
  EXPECT_EQ(Scenario::violation(fs, ledger, *observer), "");
}

TEST(CrashSweep, NoJobIsLostDoubledOrStuckAtAnyPointOnAnyLegalDisk) {
  Scenario scenario;
  const Count count = Sweep(scenario).crash(kRandomSubsets, true);
  std::printf("crash points: %d, legal disks: %d; in recovery: %d points, %d disks; lost, doubled or stuck: %s\n", count.points,
              count.disks, count.second_points, count.second_disks, count.violation.empty() ? "0" : "see below");
  EXPECT_EQ(count.violation, "");
  EXPECT_GT(count.points, 150);
  EXPECT_GT(count.disks, 2000);
}

TEST(CrashSweep, WhatAKilledProcessHadNotFlushedIsNotBuiltUpon) {
  Scenario scenario;
  const Count count = Sweep(scenario).kill();
  std::printf("kill points: %d; crashes of those that went on: %d points, %d disks; lost, doubled or stuck: %s\n", count.kills,
              count.kill_points, count.kill_disks, count.violation.empty() ? "0" : "see below");
  EXPECT_EQ(count.violation, "");
  EXPECT_GT(count.kills, 150);
  EXPECT_GT(count.kill_points, 10'000);
}

TEST(CrashSweep, EachFlushThatIsLeftOutTurnsItRed) {
  Scenario scenario;
  Sweep sound(scenario);
  ASSERT_EQ(sound.crash(12, false).violation, "");
  ASSERT_EQ(sound.kill().violation, "");
  int red = 0;
  for (const std::string& site : sound.sites) {
    Sweep mutant(scenario, {site});
    std::string what = mutant.crash(12, false).violation;
    if (what.empty()) what = mutant.kill().violation;
    std::printf("without flush of %-55s %s\n", site.c_str(), what.empty() ? "NOT SEEN" : what.substr(0, what.find('\n')).c_str());
    EXPECT_NE(what, "") << site << ": either no flush is needed there, or the sweep has a hole";
    red += !what.empty();
  }
  std::printf("%d of %zu flushes left out, one at a time, turned the sweep red\n", red, sound.sites.size());
}

}  // namespace
}  // namespace milonga::queue
