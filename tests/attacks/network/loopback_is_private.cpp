// Attack: listens on many ports of loopback, so that the host's services could not, or would be taken for them
// Learned from: R20; RFC 6761 does not help
// Demand: network
// Expect: ok
// Prints: ^listening on [0-9]+
#include <netinet/in.h>

#include "tests/attacks/attack.h"

ATTACK(loopback_is_private) {
  int listening = 0;
  const int wanted = atoi(planted("port"));
  for (int port = wanted; port < wanted + 200 && port < 65536; ++port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<uint16_t>(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 && listen(fd, 1) == 0) ++listening;
  }
  attempt("a taken port (then it is the host's loopback)", listening == 199);
  say("listening on %d", listening);
}
