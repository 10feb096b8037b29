#include "rest/utc.h"

#include <fmt/format.h>

#include <ctime>

namespace milonga::rest {

std::string ctime_utc(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[64];
  (void)std::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &utc);
  return text;
}

std::string iso_utc(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  (void)std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  return fmt::format("{}.{:03}Z", text, unix_ms % 1000);
}

std::string minute_utc(std::int64_t unix_ms) {
  std::string text = iso_utc(unix_ms).substr(0, 16);
  text[10] = ' ';
  return text;
}

}  // namespace milonga::rest
