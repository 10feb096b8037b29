// A fresh spool on a real disk and a small lab, with what tests of it do all the time.
#pragma once

#include "queue/disk_linux.h"
#include "queue/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace milonga::queue {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SpoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/var/tmp/milonga-spool-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    spool_ = dir_ / "spool";
    fs::create_directory(dir_ / "lab");
    write(dir_ / "lab/Makefile", "all:\n\techo hello\n");
  }
  void TearDown() override { fs::remove_all(dir_); }

  static void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
  static std::string read(const fs::path& path) {
    std::ifstream f(path);
    return {std::istreambuf_iterator<char>(f), {}};
  }
  std::unique_ptr<Queue> open(bool create = true) {
    SpoolOptions options;
    options.path = spool_;
    options.create = create;
    options.allow_volatile = true;
    auto queue = open_spool(std::move(options));
    EXPECT_TRUE(queue) << queue.error().line();
    return queue ? std::move(*queue) : nullptr;
  }
  std::unique_ptr<Queue> runner() {
    auto queue = open();
    const auto recovery = queue->become_runner(true, ignore_orphans);
    EXPECT_TRUE(recovery) << recovery.error().line();
    return queue;
  }
  JobId submit(Queue& queue, const std::string& lane = "default") {
    Job job;
    job.name = "test";
    job.lane = lane;
    job.directory = "lab";
    const auto id = queue.submit(job, dir_ / "lab");
    EXPECT_TRUE(id) << id.error().line();
    return id ? *id : 0;
  }
  static Claim must_claim(Queue& queue) {
    auto claim = queue.claim();
    EXPECT_TRUE(claim && *claim);
    return claim && *claim ? **claim : Claim{};
  }
  static bool finish(Queue& queue, const Claim& claim, const std::string& text = "feedback\n") {
    write(fs::path(claim.work_dir) / "feedback", text);
    Completion c;
    c.feedback_name = "feedback";
    c.report_json = R"({"verdict":"ok"})";
    const auto first = queue.commit(claim, c);
    EXPECT_TRUE(first) << first.error().line();
    return first && *first;
  }
  static inline const Queue::KillOrphan ignore_orphans = [](const Job&, int, const std::string&) {};

  fs::path dir_, spool_;
};

}  // namespace milonga::queue
