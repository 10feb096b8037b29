// Attack: sockets of every family and of the raw kinds
// Learned from: R21; AF_VSOCK (isolate 2.4), AF_ALG CVE-2026-31431's kin, DCCP, X.25, Bluetooth
// Demand: network
// Expect: ok
// Outside: userns
#include "tests/attacks/attack.h"

ATTACK(socket_families) {
  for (int family = 0; family < 64; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK) continue;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_DCCP, SOCK_PACKET})
      attempt("a foreign family", socket(family, type | SOCK_CLOEXEC, 0) >= 0);
    int ends[2];
    attempt("a pair of a foreign family", socketpair(family, SOCK_STREAM, 0, ends) == 0);
  }
  for (const int protocol : {0, 1, 2, 6, 17, 41, 58, 255}) {
    attempt("a raw socket", socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, protocol) >= 0);
    attempt("a raw socket of IPv6", socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, protocol) >= 0);
  }
  attempt("the high half of a family", call(SYS_socket, (1L << 32) | 17, SOCK_RAW, 0) >= 0);
}
