// The bare host: a VM is a box, made by autodriver for one run and gone with it.
//
// autodriver's standard input is a pipe whose other end only this process has
// (--lifeline): when the daemon dies, autodriver sees the end of it, and the box
// is killed. A file that autodriver holds locked tells recovery when it is gone.
//
// Privilege: none; autodriver-core has it.
#pragma once

#include <memory>
#include <string>

#include "base/event_loop.h"
#include "runner/vmm/vmm.h"

namespace milonga::runner {

struct LocalOptions {
  std::string autodriver;                  // path of the program
  std::chrono::seconds default_wall{600};  // for jobs without a wall limit
  std::string prefix = "local";            // of instance names
  std::size_t warm = 0;                    // boxes that may be made ahead (warm_boxes.h); 0: none
};

// Both references must outlive the driver.
std::unique_ptr<Vmm> make_local_vmm(EventLoop& loop, queue::Queue& queue, LocalOptions options);

// Waits until the autodriver that ran in this work directory is gone, at most that long; false if it is not.
bool wait_for_orphan(const std::string& work_dir, std::chrono::milliseconds at_most);

}  // namespace milonga::runner
