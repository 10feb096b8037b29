// Docker Engines on other hosts: the driver docker through sockets that ssh(1)
// forwards, one ssh for each host, jobs in turn over the hosts that answer.
//
// A host whose key is not known already is not spoken to. A dead host is asked again
// after ever longer whiles; its jobs are run again elsewhere.
//
// Privilege: none; who has a host's key for its Engine's socket is root there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "runner/vmm/docker.h"

namespace milonga::runner {

struct SshHost {
  std::string shown;                            // as it was given
  std::string target;                           // "user@host" or "host"
  int port = 0;                                 // 0: ssh's own choice
  std::string socket = "/var/run/docker.sock";  // there
  int weight = 1;
};

// "[USER@]HOST[:PORT][/SOCKET][=WEIGHT]"; an IPv6 address stands in brackets. Fails naming what is wrong.
Result<SshHost> parse_ssh_host(const std::string& text);

// What the daemon's owner decides (milongad's options).
struct SshSetting {
  std::vector<SshHost> hosts;
  std::string identity;     // file of the key; empty: ssh's own choice
  std::string known_hosts;  // file of the hosts' keys; empty: ssh's own choice
};

// Fails if there is no host, or no private place for the sockets. References must outlive the driver.
Result<std::unique_ptr<Vmm>> make_ssh_vmm(EventLoop& loop, queue::Queue& queue, DockerOptions options,
                                          SshSetting ssh);

}  // namespace milonga::runner
