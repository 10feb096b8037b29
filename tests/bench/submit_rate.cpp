// How many jobs a second the queue takes, each durable: the figure that the REST
// front is held against (tests/rest/load_test.py).
//
// usage: submit_rate SPOOL DIR PRODUCERS SECONDS      prints jobs per second
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "queue/spool.h"

using namespace milonga;

int main(int argc, char** argv) {
  if (argc != 5) return 64;
  const std::string spool = argv[1], directory = argv[2];
  const double seconds = std::atof(argv[4]);
  std::atomic<std::uint64_t> taken = 0;
  std::atomic<bool> failed = false;
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  std::vector<std::thread> producers;
  for (int n = 0; n < std::atoi(argv[3]); ++n)
    producers.emplace_back([&, n] {
      queue::SpoolOptions options;
      options.path = spool;
      options.create = true;
      auto queue = queue::open_spool(std::move(options));
      Result<void> fine = queue ? Result<void>() : Result<void>(Unexpected(queue.error()));
      while (fine && elapsed() < seconds) {
        queue::Job job;
        job.name = job.directory = "rate";
        job.lane = fmt::format("lab{}", n % 8);
        if (const auto id = (*queue)->submit(std::move(job), directory); id)
          ++taken;
        else
          fine = Unexpected(id.error());
      }
      if (!fine) fmt::print(stderr, "submit_rate: {}\n", fine.error().line());
      if (!fine) failed = true;
    });
  for (std::thread& producer : producers) producer.join();
  if (failed) return 1;
  fmt::print("{:.0f}\n", static_cast<double>(taken) / elapsed());
  return 0;
}
