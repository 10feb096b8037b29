// The daemon's log: one line per transition on standard error, for journald or a terminal.
//
//   2026-11-23T06:05:03.120Z info job=12 attempt=1 claimed
//
// Privilege: none.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <string>

namespace milonga::runner {

// One write(2), so that lines of several processes do not mix. What cannot be
// written is lost: a full log disk or a closed terminal must not stop grading.
inline void write_line(const std::string& line) {
  const std::string ended = line + "\n";
  (void)!::write(STDERR_FILENO, ended.data(), ended.size());
}

enum class Level { info, warning, error };

inline void log(Level level, const std::string& text) {
  using namespace std::chrono;
  constexpr const char* kNames[] = {"info", "warning", "error"};
  const auto now = system_clock::now();
  const std::time_t seconds = system_clock::to_time_t(now);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char stamp[32];
  (void)std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  const auto ms = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  write_line(fmt::format("{}.{:03}Z {} {}", stamp, ms, kNames[static_cast<int>(level)], text));
}

}  // namespace milonga::runner
