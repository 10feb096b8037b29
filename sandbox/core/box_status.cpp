#include "sandbox/core/box_status.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/core/clock.h"

namespace milonga::core {
namespace {

BoxMessage own_message;
std::uint64_t step_began;
static_assert(sizeof(BoxMessage) <= PIPE_BUF, "so that a message is written whole or not at all, pipe(7)");

}  // namespace

BoxMessage& message() { return own_message; }

void begin_step() { step_began = now_ns(); }

void end_step(Step step) {
  const std::uint64_t now = now_ns();
  own_message.step_ns[static_cast<std::size_t>(step)] = now - step_began;
  step_began = now;
}

bool read_namespaces(std::uint64_t (&inodes)[kNsCount]) {
  for (std::size_t i = 0; i < kNsCount; ++i) {
    char path[40];
    std::snprintf(path, sizeof path, "/proc/self/ns/%s", kNsNames[i]);
    struct stat st {};
    if (::stat(path, &st) != 0) return false;
    inodes[i] = st.st_ino;
  }
  return true;
}

bool tell(BoxEvent event) {
  own_message.event = event;
  own_message.at_ns = now_ns();
  return ::write(kBoxStatus, &own_message, sizeof own_message) == static_cast<ssize_t>(sizeof own_message);
}

void give_up(const Fail& fail) {
  own_message.step = fail.step;
  own_message.error = fail.error;
  std::snprintf(own_message.what, sizeof own_message.what, "%s", fail.what);
  (void)tell(BoxEvent::failed);  // unheard, the run is not judged all the same
  ::_exit(kStepExitBase + static_cast<int>(fail.step));
}

}  // namespace milonga::core
