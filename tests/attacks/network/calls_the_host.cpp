// Attack: calls what listens on the host: TCP, UDP, a socket file, an abstract name
// Learned from: R43, judge0 CVE-2024-29021 (from the jail to the database); R20, containerd CVE-2020-15257
// Demand: network
// Expect: ok
// Outside: nobody
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>

#include "tests/attacks/attack.h"

ATTACK(calls_the_host) {
  for (const char* address : {"127.0.0.1", "127.0.1.1", "0.0.0.0"}) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(atoi(planted("port"))));
    inet_pton(AF_INET, address, &to.sin_addr);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    attempt("a port of the host", connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    to.sin_port = htons(static_cast<uint16_t>(atoi(planted("udp_port"))));
    sendto(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const size_t n = strlen(planted("abstract"));
  memcpy(name.sun_path + 1, planted("abstract"), n);
  attempt("an abstract socket of the host",
          connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), reinterpret_cast<sockaddr*>(&name),
                  static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + n)) == 0);
  memset(name.sun_path, 0, sizeof name.sun_path);
  snprintf(name.sun_path, sizeof name.sun_path, "%s/socket", planted("directory"));
  attempt("a socket file of the host", connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                               reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
}
