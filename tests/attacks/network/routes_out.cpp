// Attack: looks for a way out. Sends nothing: a connected UDP socket only asks for a route
// Learned from: R43; Gradescope findings (reverse shells)
// Demand: network
// Expect: ok
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include "tests/attacks/attack.h"

ATTACK(routes_out) {
  for (const char* address :
       {"192.0.2.1", "169.254.169.254", "10.0.0.1", "172.17.0.1", "192.168.0.1", "224.0.0.1", "255.255.255.255"}) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(53);
    inet_pton(AF_INET, address, &to.sin_addr);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
    attempt(address, connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  }
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(53);
  for (const char* address : {"2001:db8::1", "fe80::1", "ff02::1"}) {
    inet_pton(AF_INET6, address, &to.sin6_addr);
    attempt(address,
            connect(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  }
  char name[IF_NAMESIZE];
  for (unsigned index = 1; index < 1000; ++index)
    attempt("an interface", if_indextoname(index, name) != nullptr && strcmp(name, "lo") != 0);
}
