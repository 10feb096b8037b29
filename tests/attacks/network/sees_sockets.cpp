// Attack: lists of the host's sockets and interfaces below /proc
// Learned from: R22
// Demand: network
// Expect: ok
// Outside: nobody
#include "tests/attacks/attack.h"

ATTACK(sees_sockets) {
  char wanted[16], line[512];
  snprintf(wanted, sizeof wanted, ":%04X", atoi(planted("port")));
  for (const char* path : {"/proc/self/net/tcp", "/proc/self/net/udp", "/proc/net/tcp", "/proc/self/net/unix",
                           "/proc/self/net/dev", "/proc/thread-self/net/route", "/proc/self/net/arp"}) {
    FILE* file = fopen(path, "re");
    bool found = false;
    while (file != nullptr && fgets(line, sizeof line, file) != nullptr)
      found = found || strstr(line, wanted) != nullptr || strstr(line, planted("abstract")) != nullptr ||
              strstr(line, "eth") != nullptr || strstr(line, "docker") != nullptr;
    if (file != nullptr) fclose(file);
    attempt(path, found);
  }
}
