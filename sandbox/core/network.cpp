#include "sandbox/core/network.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdio>

#include "base/core/unique_fd.h"
#include "sandbox/core/privilege.h"

namespace milonga::core {

Fail raise_loopback() {
  UniqueFd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq lo{};
  std::snprintf(lo.ifr_name, sizeof lo.ifr_name, "lo");
  lo.ifr_flags = IFF_UP;
  {
    Raised up(CAP_NET_ADMIN);
    if (::ioctl(any.get(), SIOCSIFFLAGS, &lo) != 0) return failed(Step::root, "cannot raise the box's loopback interface");
  }
  if (::ioctl(any.get(), SIOCGIFFLAGS, &lo) != 0 || (lo.ifr_flags & IFF_UP) == 0)
    return refused(Step::root, "the box's loopback interface does not read back as it was set");
  return fine();
}

}  // namespace milonga::core
