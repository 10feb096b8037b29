#include "runner/vmm/drivers.h"

#include "runner/vmm/local.h"

namespace milonga::runner {

const std::vector<Driver>& drivers() {
  static const std::vector<Driver> all = {
      {"local", "boxes on this host",
       [](EventLoop& loop, queue::Queue& queue, const DriverSetting& s) {
         return make_local_vmm(loop, queue, {s.autodriver, s.default_wall, "local", s.warm});
       }},
  };
  return all;
}

}  // namespace milonga::runner
