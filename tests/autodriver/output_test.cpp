#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>

#include "autodriver/output_cap.h"
#include "autodriver/output_pump.h"

namespace milonga {
namespace {

std::string kept_of(const OutputCap& cap) {
  std::string text(cap.head());
  for (const std::string_view piece : cap.rest()) text += piece;
  return text;
}

// Tango's rule, as the contract states it.
std::string truncated(const std::string& text, std::size_t limit) {
  if (text.size() <= limit) return text;
  return text.substr(0, limit / 2) + std::string(kElided) + text.substr(text.size() - limit / 2);
}

TEST(OutputCap, KeepsTangosByteCounts) {
  const std::string text(5000, 'x');
  for (const std::size_t limit : {1000u, 1001u}) {
    OutputCap cap(limit);
    cap.append(text);
    EXPECT_EQ(kept_of(cap).size(), 1000u + 29u) << limit;
    EXPECT_EQ(cap.kept(), 1000u);
    EXPECT_EQ(cap.total(), 5000u);
  }
}

TEST(OutputCap, KeepsHeadAndTailWhateverTheSizesOfThePieces) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const std::size_t limit = 2 + random() % 100;
    const std::size_t size = random() % 300;
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>('a' + random() % 26);
    OutputCap cap(limit);
    for (std::size_t at = 0; at < size;) {
      const std::size_t piece = std::min<std::size_t>(size - at, random() % 150);
      cap.append(std::string_view(text).substr(at, piece));
      at += piece;
    }
    ASSERT_EQ(kept_of(cap), truncated(text, limit)) << "limit " << limit << " text " << text;
    ASSERT_EQ(cap.total(), size);
    ASSERT_EQ(cap.kept(), size <= limit ? size : limit / 2 * 2);
  }
}

TEST(OutputCap, TheHeadOnlyGrows) {
  OutputCap cap(10);
  std::string before;
  for (int i = 0; i < 20; ++i) {
    cap.append("ab");
    EXPECT_TRUE(cap.head().starts_with(before));
    before = cap.head();
  }
  EXPECT_EQ(before, "ababa");
}

struct Pipe {
  UniqueFd read, write;
};

Pipe make_pipe() {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Does what the loop of a run does, until the job's pipe has ended.
void drain(OutputPump& pump) {
  while (pump.reading() >= 0) {
    pollfd events[] = {{pump.reading(), POLLIN, 0}, {pump.writing(), POLLOUT, 0}};
    ASSERT_GE(::poll(events, 2, 10'000), 1);
    if (events[0].revents != 0) {
      ASSERT_TRUE(pump.on_readable());
    }
    if (events[1].revents != 0) pump.on_writable();
  }
}

std::string read_all(int fd) {
  std::string text;
  char buffer[65536];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  return text;
}

TEST(OutputPump, NeverBlocksTheJobWhenNobodyReadsOurOutput) {
  Pipe job = make_pipe();
  Pipe out = make_pipe();  // never read before the job's end
  OutputPump pump(std::move(job.read), out.write.get(), 1 << 20, OutputPump::Mode::live);
  const std::string text(4 << 20, 'x');
  std::thread writer([&] {
    ASSERT_EQ(::write(job.write.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    job.write.reset();
  });
  drain(pump);
  writer.join();
  EXPECT_EQ(pump.total(), text.size());

  std::string got;
  std::thread reader([&] { got = read_all(out.read.get()); });
  pump.finish("");
  while (pump.writing() >= 0) pump.on_writable();
  out.write.reset();
  reader.join();
  EXPECT_EQ(got, truncated(text, 1 << 20));
}

TEST(OutputPump, LiveModeHandsOutTheHeadBeforeTheJobEnds) {
  Pipe job = make_pipe();
  Pipe out = make_pipe();
  OutputPump pump(std::move(job.read), out.write.get(), 1000, OutputPump::Mode::live);
  ASSERT_EQ(::write(job.write.get(), "hello\n", 6), 6);
  ASSERT_TRUE(pump.on_readable());
  ASSERT_GE(pump.writing(), 0);
  pump.on_writable();
  char buffer[16];
  EXPECT_EQ(::read(out.read.get(), buffer, sizeof buffer), 6);
  EXPECT_LT(pump.writing(), 0);
}

TEST(OutputPump, AtTheEndTheHeaderComesFirst) {
  Pipe job = make_pipe();
  Pipe out = make_pipe();
  OutputPump pump(std::move(job.read), out.write.get(), 1000, OutputPump::Mode::at_end);
  ASSERT_EQ(::write(job.write.get(), "hello\n", 6), 6);
  job.write.reset();
  drain(pump);
  pump.finish("Autodriver: Job exited with status 0\n");
  while (pump.writing() >= 0) pump.on_writable();
  out.write.reset();
  EXPECT_EQ(read_all(out.read.get()), "Autodriver: Job exited with status 0\nhello\n");
}

TEST(OutputPump, AReaderThatIsGoneDoesNotStopTheJob) {
  ::signal(SIGPIPE, SIG_IGN);
  Pipe job = make_pipe();
  Pipe out = make_pipe();
  out.read.reset();
  OutputPump pump(std::move(job.read), out.write.get(), 1000, OutputPump::Mode::live);
  std::thread writer([&] {
    const std::string text(200'000, 'x');
    EXPECT_EQ(::write(job.write.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    job.write.reset();
  });
  drain(pump);
  writer.join();
  EXPECT_EQ(pump.total(), 200'000u);
  EXPECT_NE(pump.write_error().find("Broken pipe"), std::string::npos) << pump.write_error();
}

}  // namespace
}  // namespace milonga
