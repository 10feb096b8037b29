// One run of a container from attach to its end, as it is seen over the Engine's API:
//
//   attach -> start -> the stream ends -> wait -> inspect -> container_outcome()
//
// The first call that fails ends the others, and the container.
//
// Privilege: none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/event_loop.h"
#include "runner/vmm/container_outcome.h"
#include "runner/vmm/engine.h"

namespace milonga::runner {

class ContainerRun : public std::enable_shared_from_this<ContainerRun> {
 public:
  struct Plan {
    Engine* engine = nullptr;
    std::string container;  // the Engine's name for it; created and filled
    BoxOptions box;
    ContainerBounds bounds;
    std::string output;  // path; written to while the job runs
    Deadline deadline{};
    std::shared_ptr<bool> alive;  // false when engine and loop are gone: then nothing is done any more
  };

  // Calls `done` once, from the loop.
  ContainerRun(EventLoop& loop, Plan plan, Done<RunOutcome> done);
  void begin();
  // Ends it; `done` gets an Error of this text.
  void stop(const std::string& why);

 private:
  enum class Phase { stream, wait, inspect };

  Result<void> take(RawStream::Channel channel, std::string_view piece);
  void attach();
  void start();
  Done<void> call_ends();
  void call_ended(const Result<void>& result);
  void go_on();
  void inspect();
  void break_off();
  void end(Result<RunOutcome> outcome);

  EventLoop& loop_;
  Plan plan_;
  Done<RunOutcome> done_;
  UniqueFd output_;
  std::uint64_t output_bytes_ = 0;
  std::string errors_;
  Phase phase_ = Phase::stream;
  bool started_ = false;
  int under_way_ = 0;
  std::vector<EngineApi::Id> calls_;
  std::optional<Error> error_;  // the first
  std::string stopped_because_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace milonga::runner
