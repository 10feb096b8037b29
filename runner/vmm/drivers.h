// The list of drivers: one line each in drivers.cpp. The conformance suite runs over all of them.
//
// Privilege: none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "queue/queue.h"
#include "runner/vmm/docker.h"
#include "runner/vmm/exec.h"
#include "runner/vmm/ssh.h"
#include "runner/vmm/vmm.h"

namespace milonga::runner {

struct DriverSetting {
  std::string autodriver;  // path: it is run here, or copied to where jobs run
  std::chrono::seconds default_wall{600};
  std::size_t warm = 0;  // boxes made ahead; for drivers that can
  std::string owner;  // the spool's own id: what on a platform bears it is ours
  DockerSetting docker;
  SshSetting ssh;
  ExecSetting exec;
};

struct Driver {
  const char* name;
  const char* what;  // one line for --help
  // Fails in one line if the settings cannot work.
  Result<std::unique_ptr<Vmm>> (*make)(EventLoop&, queue::Queue&, const DriverSetting&);
};

const std::vector<Driver>& drivers();

}  // namespace milonga::runner
