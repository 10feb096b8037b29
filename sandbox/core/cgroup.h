// The cgroup of one box: created for this run, limits written and read back,
// counters read at the end, removed. One interface over cgroup v1, v2 and the
// hybrid of both (limits in v1, birth in the v2 tree beside it).
//
// All files are reached by descriptors of directories that were checked to be
// cgroup file systems; no path comes from the caller.
//
// Sources: cgroups(7); kernel doc admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst.
// Privilege: root by ownership of the files; CAP_DAC_OVERRIDE to make our one directory at the top.
#pragma once

#include <cstdint>

#include "base/core/unique_fd.h"
#include "sandbox/core/fail.h"
#include "sandbox/model/evidence.h"
#include "sandbox/model/limits.h"
#include "sandbox/model/response.h"

namespace milonga::core {

enum class Controller : std::uint32_t { memory, pids, cpu };
inline constexpr std::size_t kControllerCount = 3;

class BoxCgroup {
 public:
  // Makes "milonga/box-<slot>" in every hierarchy in use, fresh: what a dead box
  // of this slot left there is removed first. The caller holds the slot's lock.
  Fail create(std::uint32_t slot);

  // Writes the limits (memory in bytes, processes without the box's own init),
  // swap off, and reads back what is in force into the evidence.
  // Fails if a limit cannot be written or reads back looser than asked.
  Fail limit(const Limits& limits, Evidence evidence[kDemandCount]);

  // Directory for CLONE_INTO_CGROUP, or -1 where there is no v2 tree.
  [[nodiscard]] int birthplace() const { return v2_.get(); }

  // Called by the new process itself: joins the v1 groups by writing "0" to
  // their `tasks`. Moving another process through cgroup.procs would wait 7 to
  // 13 ms for an RCU grace period; a single-threaded process moving itself does not.
  Fail enter() const;

  // Descriptors that become readable (v1: an eventfd) or raise POLLPRI (event
  // files) when memory ran out, or when a fork was refused. -1: none. rearm()
  // must follow each event, on the same descriptor, or poll(2) spins.
  [[nodiscard]] int oom_event() const { return oom_event_.get(); }
  [[nodiscard]] int fork_refused_event() const { return pids_events_.get(); }
  void rearm(bool oom, bool forks) const;
  // True if an OOM event is told before the kill (v1); v2 tells of any change of its counters.
  [[nodiscard]] bool oom_event_is_final() const { return group(Controller::memory).version == 1; }

  // Counters now. `ok` is false if the kernel would not say.
  struct Number {
    std::uint64_t value = 0;
    bool ok = false;
  };
  [[nodiscard]] Number cpu_ns() const;         // user + system of all that ever ran in the box
  [[nodiscard]] Number oom_kills() const;              // for whatever reason: the host's memory can run out as well
  [[nodiscard]] bool memory_ran_out() const;          // by this very box's limit
  void split_memory(MemorySplit& split) const;
  [[nodiscard]] Number forks_refused() const;
  void account(Usage& usage, Evidence evidence[kDemandCount]) const;

  // True when the v2 tree says that no process is left; v1 alone cannot say so at once.
  [[nodiscard]] bool empty() const;

  // SIGKILL to all processes, where there is a v2 tree.
  void kill() const;

  // Removes the directories, as far as they were made. Everything in them must be dead; waits up to two
  // seconds for the kernel to notice.
  Fail remove();

 private:
  struct Group {
    UniqueFd dir;    // of the leaf in this controller's hierarchy
    int version = 0; // 1 or 2
  };
  [[nodiscard]] const Group& group(Controller c) const { return groups_[static_cast<std::size_t>(c)]; }
  Fail limit_memory(std::uint64_t bytes, Evidence evidence[kDemandCount]);
  Fail limit_swap(std::uint64_t bytes, std::uint64_t memory_in_force, Evidence& evidence);
  Fail watch_oom();

  char leaf_[24] = {};
  UniqueFd v2_parent_, v2_;
  UniqueFd v1_parent_[kControllerCount];
  Group groups_[kControllerCount];
  UniqueFd oom_event_, pids_events_;
};

// Removes the leaves of this slot, if any, and (with_parents) our own directories when they are empty.
Fail remove_leftover_cgroups(std::uint32_t slot, bool with_parents);

}  // namespace milonga::core
