// The core's checks of a request: whatever bytes come, what passes is in every
// field what the rest of the core takes for granted.
//
// Input: patches of a sound request, each an offset (2 bytes), a length (1) and the bytes.
#include "autodriver/core/request.h"

#include <algorithm>
#include <cstring>

#include "tests/fuzz/fuzz.h"

namespace milonga {
namespace {

Request sound_request() {
  Request r;
  r.limits = default_limits();
  std::strcpy(r.work_name, "hello");
  static constexpr char kStrings[] = "make\0all\0PATH=/usr/bin";
  std::memcpy(r.strings, kStrings, sizeof kStrings);
  r.strings_size = sizeof kStrings;
  r.argc = 2;
  r.envc = 1;
  r.filter_size = 1;
  return r;
}

void patch(Request& r, std::string_view bytes) {
  while (bytes.size() > 3) {
    const auto at = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i]));
    };
    const std::size_t offset = (at(0) + 256 * at(1)) % sizeof r;
    const std::size_t size = std::min({at(2), bytes.size() - 3, sizeof r - offset});
    std::memcpy(reinterpret_cast<char*>(&r) + offset, bytes.data() + 3, size);
    bytes.remove_prefix(3 + size);
  }
}

// As sandbox/core/job.cpp walks them.
void walk_strings(const Request& r) {
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < r.argc + r.envc; ++i) {
    fuzz::hold(at < r.strings_size, "each string begins within the strings");
    const void* end = std::memchr(r.strings + at, '\0', r.strings_size - at);
    fuzz::hold(end != nullptr, "each string ends within the strings");
    at = static_cast<std::size_t>(static_cast<const char*>(end) - r.strings) + 1;
  }
  fuzz::hold(at == r.strings_size, "there is nothing behind the last string");
}

void check_accepted(const Request& r) {
  if (r.op == CoreOp::collect) return;
  fuzz::hold(r.op == CoreOp::run, "an operation that there is");
  fuzz::hold(r.argc >= 1 && r.argc <= kMaxArgs && r.envc <= kMaxArgs, "counts of arguments");
  fuzz::hold(r.strings_size <= kMaxStrings && r.strings[0] != '\0', "a command");
  walk_strings(r);
  fuzz::hold(r.filter_size <= kMaxFilter, "a filter that fits");
  fuzz::hold(r.flags < 2 * kLoopback, "no unknown flag");  // the last that there is
  for (const Rung rung : r.require) fuzz::hold(static_cast<std::uint32_t>(rung) <= 4, "rungs that there are");
  for (const LimitRow& row : kLimits) {
    const std::uint64_t value = r.limits[row.id];
    fuzz::hold(value <= row.maximum && (value >= row.minimum || (value == 0 && row.default_value == 0)),
               row.name);
  }
  const std::string_view name(r.work_name, ::strnlen(r.work_name, sizeof r.work_name));
  fuzz::hold(!name.empty() && name.size() < sizeof r.work_name && name != "." && name != ".." &&
                 name.find('/') == std::string_view::npos,
             "a work directory of one component");
}

}  // namespace
}  // namespace milonga

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace milonga;
  static const Request sound = sound_request();
  Request request = sound;
  fuzz::hold(!core::check_request(request), "the request to begin with is sound");
  patch(request, fuzz::text_of(data, size));
  if (!core::check_request(request)) check_accepted(request);
  return 0;
}
