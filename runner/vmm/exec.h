// Any platform: a driver is a directory with one executable for each verb, in
// whatever language. milonga-exec-driver(7) is its contract; images/drivers has
// examples. What a verb needs to know is in its environment, and as JSON on its
// standard input; its exit status says how it ended.
//
// A verb runs below exec-verb (runner/exec_verb_main.cpp), which leaves nothing of
// it alive: at its end, past its deadline, after cancel(), or when the daemon dies.
// Instances bear the spool's id in their names; those that a dead daemon left are
// destroyed before the first verb.
//
// Privilege: none. Verbs are the operator's programs, and run as the daemon's user.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "runner/vmm/vmm.h"

namespace milonga::runner {

// What the daemon's owner decides (milongad's options).
struct ExecSetting {
  std::string directory;                 // of the verbs
  std::vector<std::string> environment;  // "NAME=value", for every verb
};

struct ExecOptions {
  ExecSetting exec;
  std::string owner;  // the spool's own id
  std::chrono::seconds default_wall{600};
};

// Fails if a verb that every driver must have is not there. References must outlive the driver.
Result<std::unique_ptr<Vmm>> make_exec_vmm(EventLoop& loop, queue::Queue& queue, ExecOptions options);

}  // namespace milonga::runner
