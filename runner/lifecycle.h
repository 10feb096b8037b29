// The life of one job in a VM, as a table: state × event -> next state. Pure.
//
//   initialize -> wait -> copy_in -> run -> copy_out -> destroy -> ended
//
// Whatever happens once there is a VM, it is destroyed; and what becomes of the
// job is decided by the first thing that went wrong.
//
// Privilege: none.
#pragma once

#include <array>
#include <cstddef>

namespace milonga::runner {

enum class Stage : std::size_t { initialize, wait, copy_in, run, copy_out, destroy, ended };
inline constexpr std::size_t kStageCount = 7;
inline constexpr const char* kStageNames[kStageCount] = {"initialize", "wait",    "copyIn", "run",
                                                         "copyOut",    "destroy", "ended"};
constexpr const char* stage_name(Stage s) {
  return kStageNames[static_cast<std::size_t>(s)];
}

enum class Event : std::size_t {
  done,       // the stage's verb succeeded
  failed,     // it failed or passed its deadline: infrastructure, never the student's doing
  no_room,    // it failed because a disk of ours is full, which no attempt of the job's can mend
  cancelled,  // somebody took the job back
  stopping,   // this daemon stops: the job goes back to the queue
};
inline constexpr std::size_t kEventCount = 5;

// What becomes of the job when its VM is gone.
enum class Ending { commit, retry, wait_for_room, cancel, give_back };

// clang-format off
inline constexpr std::array<std::array<Stage, kEventCount>, kStageCount> kNextStage = {{
    //  done              failed           no_room          cancelled        stopping
    {{Stage::wait,     Stage::ended,    Stage::ended,    Stage::ended,    Stage::ended}},    // initialize: there is no VM yet
    {{Stage::copy_in,  Stage::destroy,  Stage::destroy,  Stage::destroy,  Stage::destroy}},  // wait
    {{Stage::run,      Stage::destroy,  Stage::destroy,  Stage::destroy,  Stage::destroy}},  // copy_in
    {{Stage::copy_out, Stage::destroy,  Stage::destroy,  Stage::destroy,  Stage::destroy}},  // run
    {{Stage::destroy,  Stage::destroy,  Stage::destroy,  Stage::destroy,  Stage::destroy}},  // copy_out
    {{Stage::ended,    Stage::ended,    Stage::ended,    Stage::ended,    Stage::ended}},    // destroy: the janitor takes what stays
    {{Stage::ended,    Stage::ended,    Stage::ended,    Stage::ended,    Stage::ended}},    // ended is final
}};
// clang-format on

constexpr Stage next_stage(Stage stage, Event event) {
  return kNextStage[static_cast<std::size_t>(stage)][static_cast<std::size_t>(event)];
}

// The first event that was not `done` decides; what fails while the VM is taken
// down changes nothing any more.
constexpr Ending next_ending(Ending so_far, Stage stage, Event event) {
  if (so_far != Ending::commit || stage == Stage::destroy || stage == Stage::ended) return so_far;
  switch (event) {
    case Event::done:
      return Ending::commit;
    case Event::failed:
      return Ending::retry;
    case Event::no_room:
      return Ending::wait_for_room;
    case Event::cancelled:
      return Ending::cancel;
    case Event::stopping:
      return Ending::give_back;
  }
  return so_far;
}

namespace detail {
// From every stage, whatever the events, the job ends; and no path leaves a VM behind.
constexpr bool every_path_ends() {
  for (std::size_t s = 0; s < kStageCount; ++s)
    for (std::size_t e = 0; e < kEventCount; ++e) {
      const auto to = static_cast<std::size_t>(kNextStage[s][e]);
      if (to <= s && static_cast<Stage>(s) != Stage::ended) return false;  // always forward
      const bool has_vm = s > 0 && s < static_cast<std::size_t>(Stage::destroy);
      if (has_vm && kNextStage[s][e] == Stage::ended) return false;
    }
  return true;
}
static_assert(every_path_ends());
}  // namespace detail

}  // namespace milonga::runner
