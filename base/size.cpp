#include "base/size.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace milonga {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::string quoted(std::string_view text) {
  return "'" + std::string(text) + "'";
}

struct Number {
  std::uint64_t value;
  std::string_view rest;  // what follows it
};

// The number that `text` starts with.
Result<Number> leading_number(std::string_view text) {
  if (text.empty()) return Number{0, text};
  const std::size_t start = text.find_first_not_of(" \t\n\v\f\r");
  // strtoull would read "-1" as 2^64 - 1.
  if (start == std::string_view::npos || text[start] == '-')
    return fail(quoted(text) + " is not a nonnegative number");
  const std::string copy(text);  // strtoull wants the final NUL
  char* end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(copy.c_str(), &end, 0);
  if (end == copy.c_str()) return fail(quoted(text) + " is not a nonnegative number");
  if (errno == ERANGE) return fail(quoted(text) + " is too large a number");
  return Number{value, text.substr(static_cast<std::size_t>(end - copy.c_str()))};
}

// Digits after the decimal point, as nanoseconds.
Result<std::uint64_t> fraction(std::string_view digits, std::string_view text) {
  if (digits.size() > 9) return fail(quoted(text) + " is finer than a nanosecond");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 9; ++i) {
    const char c = i < digits.size() ? digits[i] : '0';
    if (c < '0' || c > '9') return fail(quoted(text) + " is not a number of seconds");
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

}  // namespace

Result<std::uint64_t> parse_count(std::string_view text) {
  const Number number = TRY(leading_number(text));
  if (!number.rest.empty()) return fail(quoted(text) + " is not a nonnegative number");
  return number.value;
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const Number number = TRY(leading_number(text));
  unsigned shift = 0;
  if (number.rest == "K" || number.rest == "k") shift = 10;
  if (number.rest == "M" || number.rest == "m") shift = 20;
  if (number.rest == "G" || number.rest == "g") shift = 30;
  if (shift == 0 && !number.rest.empty()) {
    return fail(quoted(text) + " is not a size", "write bytes, or a number with K, M or G");
  }
  if (number.value > kMax >> shift) return fail(quoted(text) + " is too large a size");
  return number.value << shift;
}

Result<std::uint64_t> parse_seconds(std::string_view text) {
  const std::size_t point = text.find('.');
  Number whole{0, ""};
  std::uint64_t nanoseconds = 0;
  if (point == std::string_view::npos) {
    whole = TRY(leading_number(text));
  } else {
    // A fraction is decimal on both sides: 08.5 is not a broken octal number.
    const std::string_view integer = text.substr(0, point);
    const std::string_view digits = text.substr(point + 1);
    const bool decimal = integer.find_first_not_of("0123456789") == std::string_view::npos;
    if (!decimal || integer.size() > 19 || (integer.empty() && digits.empty())) {
      return fail(quoted(text) + " is not a number of seconds");
    }
    for (const char c : integer) whole.value = whole.value * 10 + static_cast<std::uint64_t>(c - '0');
    nanoseconds = TRY(fraction(digits, text));
  }
  if (!whole.rest.empty()) return fail(quoted(text) + " is not a number of seconds");
  if (whole.value >= kMax / kNanosecondsPerSecond) return fail(quoted(text) + " is too large a number");
  return whole.value * kNanosecondsPerSecond + nanoseconds;
}

std::string print_size(std::uint64_t bytes) {
  if (bytes != 0 && bytes % (1u << 30) == 0) return std::to_string(bytes >> 30) + "G";
  if (bytes != 0 && bytes % (1u << 20) == 0) return std::to_string(bytes >> 20) + "M";
  if (bytes != 0 && bytes % (1u << 10) == 0) return std::to_string(bytes >> 10) + "K";
  return std::to_string(bytes);
}

std::string print_seconds(std::uint64_t nanoseconds) {
  std::string text = std::to_string(nanoseconds / kNanosecondsPerSecond);
  const std::uint64_t fraction_ns = nanoseconds % kNanosecondsPerSecond;
  if (fraction_ns == 0) return text;
  const std::string digits = std::to_string(fraction_ns);
  text += "." + std::string(9 - digits.size(), '0') + digits;
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

std::string human_size(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace milonga
