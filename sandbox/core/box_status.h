// What the inside of a box tells its supervisor, over a pipe that the job never has.
//
// Privilege: any.
#pragma once

#include <cstdint>

#include "sandbox/core/fail.h"
#include "sandbox/model/response.h"

namespace milonga::core {

// Descriptors inside the box, at fixed numbers, so that all others can be closed.
enum BoxFd : int {
  kBoxStatus = 100,  // write end of the status pipe, close-on-exec in the job
  kBoxGo = 101,      // read end: one byte = the supervisor is there and agrees; end of file = it is gone
  kBoxOutput = 102,
  kBoxInput = 103,   // if the request has input
};

enum class BoxEvent : std::uint32_t {
  failed = 1,  // set-up failed: step, error, what
  ready = 2,   // set-up is done, the filter and exec follow
  filtered = 3,  // the filter is loaded; a filter of the caller's can swallow this word
  ended = 4,   // the command has ended: wait_status, traced_cpu_ns
  cpu_limit = 5,  // where init counts: traced_cpu_ns reached the limit
};

// One message of the status pipe; smaller than PIPE_BUF, so writes are atomic.
struct BoxMessage {
  BoxEvent event = BoxEvent::failed;
  Step step = Step::start;
  std::int32_t error = 0;
  std::int32_t wait_status = 0;
  std::uint64_t at_ns = 0;
  std::uint64_t traced_cpu_ns = 0;      // of all processes of the job
  std::uint64_t setup_cpu_ns = 0;       // ready: CPU that our own set-up took inside the box's cgroup
  char what[128] = {};
  std::uint64_t step_ns[kStepCount] = {};  // ready: of the steps inside
  Inside inside;                           // ready: read back
};

// The message of this process, to be filled in, and the clock of its steps.
BoxMessage& message();
void begin_step();
void end_step(Step step);  // the time since the last call of either belongs to `step`

// Of this process; false if one cannot be read.
bool read_namespaces(std::uint64_t (&inodes)[kNsCount]);

// False: nobody has heard it. Then no limit is armed, or the supervisor is dead, and with it, in a moment, we.
bool tell(BoxEvent event);
[[noreturn]] void give_up(const Fail& fail);

}  // namespace milonga::core
