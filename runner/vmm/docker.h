// A container for each job, in a Docker Engine: through the Engine's API alone,
// without the `docker` command, shared directories or parsed output.
//
//   initialize  an Engine that answers and has the image
//   copy_in     create, with every limit of the job's; one tar: autodriver and the job's files
//   run_job     attach, start; the output comes over the stream as it is written, and then
//               the report; wait; inspect
//   destroy     remove, by force
//
// Nothing is ever read from a path in the container: what comes out, comes over the
// two descriptors that autodriver has and the job does not (container_outcome.h).
// The container's name is made here, so a reply that was lost loses no container.
//
// Privilege: none; whoever may open the Engine's socket is root on its host.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "runner/vmm/engine.h"
#include "runner/vmm/vmm.h"

namespace milonga::runner {

// What the daemon's owner decides (milongad's options).
struct DockerSetting {
  std::string socket = "/var/run/docker.sock";
  std::string image;    // of jobs whose image is `default`; empty: they are refused
  std::string network;  // of jobs that ask for the host's; empty: they are refused
  double cpus = 0;      // of each container; 0: no limit
};

struct DockerOptions {
  DockerSetting docker;
  std::string owner;       // the spool's own id: containers with it are ours
  std::string autodriver;  // path; its core is beside it, or in ../libexec/milonga
  std::chrono::seconds default_wall{600};
};

// Makes the Engines that jobs are spread over; `living` are the instances in use.
using MakeEngines =
    std::function<std::vector<std::unique_ptr<Engine>>(HttpClient&, const std::set<std::string>& living)>;

// The Engine at options.socket. Fails if autodriver cannot be read. References must outlive the driver.
Result<std::unique_ptr<Vmm>> make_docker_vmm(EventLoop& loop, queue::Queue& queue, DockerOptions options);

// Several Engines, used in turn.
Result<std::unique_ptr<Vmm>> make_docker_vmm(EventLoop& loop, queue::Queue& queue, DockerOptions options,
                                             const MakeEngines& make);

}  // namespace milonga::runner
