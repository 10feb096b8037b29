#include "runner/vmm/drivers.h"

#include "runner/vmm/local.h"

namespace milonga::runner {

const std::vector<Driver>& drivers() {
  static const std::vector<Driver> all = {
      {"local", "boxes on this host",
       [](EventLoop& loop, queue::Queue& queue, const DriverSetting& s) -> Result<std::unique_ptr<Vmm>> {
         return make_local_vmm(loop, queue, {s.autodriver, s.default_wall, "local", s.warm});
       }},
      {"docker", "containers of a Docker Engine",
       [](EventLoop& loop, queue::Queue& queue, const DriverSetting& s) {
         return make_docker_vmm(loop, queue, {s.docker, s.owner, s.autodriver, s.default_wall});
       }},
      {"ssh", "containers of Docker Engines on other hosts",
       [](EventLoop& loop, queue::Queue& queue, const DriverSetting& s) {
         return make_ssh_vmm(loop, queue, {s.docker, s.owner, s.autodriver, s.default_wall}, s.ssh);
       }},
      {"exec", "any platform: a program for each verb",
       [](EventLoop& loop, queue::Queue& queue, const DriverSetting& s) {
         return make_exec_vmm(loop, queue, {s.exec, s.owner, s.default_wall});
       }},
  };
  return all;
}

}  // namespace milonga::runner
