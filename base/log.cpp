#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <string>

namespace milonga {

void write_line(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  line += '\n';
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

void log(Level level, std::string_view text) {
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

}  // namespace milonga
