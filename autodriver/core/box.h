// One box from its first to its last moment, as a list of verbs: slot, cgroup,
// scratch, spawn, supervise, account, remove. The supervisor is this process;
// what runs inside is sandbox/core/init.h.
//
// Privilege: root; raises CAP_SYS_ADMIN to clone, CAP_KILL to kill.
#pragma once

#include <cstdint>

#include "autodriver/core/authority.h"
#include "autodriver/core/supervise.h"
#include "base/core/unique_fd.h"
#include "sandbox/core/cgroup.h"
#include "sandbox/core/fail.h"
#include "sandbox/core/slot.h"
#include "sandbox/model/request.h"
#include "sandbox/model/response.h"

namespace milonga::core {

class Box {
 public:
  Box(const Request& request, const Authority& authority, Response& response)
      : request_(request), authority_(authority), response_(response) {}

  // Runs the request to its end and fills in the response. A Fail means that the
  // job was not judged; nothing of the box is left in either case.
  Fail run();

 private:
  Fail judge();
  Fail prepare();
  Fail plan_evidence();
  Fail check_required();
  Fail spawn();
  Fail watch(Watched& watched);
  Fail account();
  void account_cpu(std::uint64_t setup_ns);
  void time_step(Step step);

  const Request& request_;
  const Authority& authority_;
  Response& response_;
  std::uint64_t step_began_ = 0;
  Slot slot_;
  BoxCgroup cgroup_;
  UniqueFd image_, scratch_;  // mounts attached nowhere
  UniqueFd init_;    // pidfd of the box's init
  UniqueFd status_;  // read end of the status pipe
  UniqueFd go_;      // write end: the box's lifeline
};

}  // namespace milonga::core
