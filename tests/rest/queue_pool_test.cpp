#include "rest/queue_pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "queue/spool.h"

namespace milonga::rest {
namespace {

namespace fs = std::filesystem;

class Pool : public ::testing::Test {
 protected:
  Pool() {
    std::string path = fs::temp_directory_path() / "milonga-pool.XXXXXX";
    root_ = ::mkdtemp(path.data());
  }
  ~Pool() override { fs::remove_all(root_); }
  Result<std::unique_ptr<queue::Queue>> open(bool create) {
    queue::SpoolOptions options;
    options.path = root_ / "spool";
    options.create = create;
    options.allow_volatile = true;
    return queue::open_spool(std::move(options));
  }
  void SetUp() override { ASSERT_TRUE(open(true)); }
  QueuePool pool() {
    return QueuePool([this] {
      ++opened_;
      return open(false);
    });
  }
  fs::path root_;
  std::atomic<int> opened_ = 0;
};

TEST_F(Pool, ThreadsAreInCallsAtTheSameTimeEachWithAQueueOfItsOwn) {
  QueuePool pool = this->pool();
  constexpr int kThreads = 4;
  std::barrier together(kThreads);  // with one queue for all this never ends
  std::vector<queue::Queue*> seen(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      const auto used = pool.use([&](queue::Queue& q) -> Result<void> {
        together.arrive_and_wait();
        seen[static_cast<std::size_t>(i)] = &q;
        return {};
      });
      if (!used) together.arrive_and_drop();
      EXPECT_TRUE(used) << used.error().line();
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<queue::Queue*>(seen.begin(), seen.end()).size(), static_cast<std::size_t>(kThreads));
}

TEST_F(Pool, DaemonsAndServersThatStartAtOnceMakeOneSpool) {
  for (int round = 0; round < 20; ++round) {
    fs::remove_all(root_ / "spool");
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        const auto opened = open(true);
        EXPECT_TRUE(opened) << opened.error().line();
      });
    for (std::thread& thread : threads) thread.join();
  }
}

TEST_F(Pool, AQueueIsKeptForTheNextCall) {
  QueuePool pool = this->pool();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pool.use([](queue::Queue& q) { return q.stats(); }));
  EXPECT_EQ(opened_, 1);
}

TEST_F(Pool, ThatNoQueueCanBeOpenedIsTheCallsFailure) {
  QueuePool pool([] { return Result<std::unique_ptr<queue::Queue>>(fail("no spool there")); });
  const auto stats = pool.use([](queue::Queue& q) { return q.stats(); });
  ASSERT_FALSE(stats);
  EXPECT_EQ(stats.error().what, "no spool there");
}

TEST_F(Pool, JobsOfManyThreadsGetAnIdEachAndAreAllThere) {
  QueuePool pool = this->pool();
  fs::create_directory(root_ / "job");
  std::ofstream(root_ / "job" / "Makefile") << "all:\n";
  constexpr int kThreads = 8, kEach = 10;
  std::mutex mutex;
  std::set<queue::JobId> ids;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) {
        queue::Job job;
        job.name = "n";
        job.directory = "autolab";
        const auto id = pool.use([&](queue::Queue& q) { return q.submit(job, root_ / "job"); });
        ASSERT_TRUE(id) << id.error().line();
        const std::lock_guard lock(mutex);
        ids.insert(*id);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kThreads * kEach));
  const auto stats = pool.use([](queue::Queue& q) { return q.stats(); });
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->waiting, static_cast<std::uint64_t>(kThreads * kEach));
  EXPECT_LE(opened_, kThreads);
}

}  // namespace
}  // namespace milonga::rest
