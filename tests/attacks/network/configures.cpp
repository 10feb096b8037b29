// Attack: ioctls that configure interfaces, routes and tunnels
// Learned from: netdevice(7)
// Demand: network
// Expect: ok
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include "tests/attacks/attack.h"

ATTACK(configures) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  ioctl(fd, SIOCGIFFLAGS, &request);
  attempt("the flags of lo", ioctl(fd, SIOCSIFFLAGS, &request) == 0);
  attempt("the size of packets on lo", ioctl(fd, SIOCSIFMTU, &request) == 0);
  rtentry route{};
  attempt("a route", ioctl(fd, SIOCADDRT, &route) == 0);
  attempt("a bridge", ioctl(fd, SIOCBRADDBR, "hostile") == 0);
  attempt("a tunnel", open("/dev/net/tun", O_RDWR | O_CLOEXEC) >= 0);
  const int mark = 1;
  attempt("a mark on packets", setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0);
  attempt("a larger buffer than the host allows", setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &mark, sizeof mark) == 0);
}
