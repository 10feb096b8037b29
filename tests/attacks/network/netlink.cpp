// Attack: asks the kernel by netlink: audit, firewall, links, other processes' sockets and events
// Learned from: R21, R37; CVE-2022-25636 (nf_tables)
// Demand: network
// Expect: ok
// Outside: userns
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "tests/attacks/attack.h"

static bool netlink_accepts(int protocol, uint16_t type, const void* payload, size_t size) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return false;
  alignas(nlmsghdr) char buffer[512] = {};
  auto* head = reinterpret_cast<nlmsghdr*>(buffer);
  head->nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(size));
  head->nlmsg_type = type;
  head->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
  memcpy(NLMSG_DATA(head), payload, size);
  if (send(fd, buffer, head->nlmsg_len, 0) < 0) return close(fd), false;
  alignas(nlmsghdr) char answer[4096];
  const ssize_t n = recv(fd, answer, sizeof answer, 0);
  close(fd);
  if (n < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return false;
  const auto* reply = reinterpret_cast<nlmsghdr*>(answer);
  return reply->nlmsg_type == NLMSG_ERROR && static_cast<nlmsgerr*>(NLMSG_DATA(reply))->error == 0;
}

ATTACK(netlink) {
  ifinfomsg link{};
  link.ifi_index = 1;
  link.ifi_change = link.ifi_flags = 1;  // IFF_UP
  attempt("a link set up", netlink_accepts(NETLINK_ROUTE, RTM_NEWLINK, &link, sizeof link));
  struct {
    ifaddrmsg head;
    rtattr attribute;
    unsigned char address[4];
  } address{{2, 8, 0, 0, 1}, {8, IFA_LOCAL}, {127, 0, 0, 9}};
  attempt("an address", netlink_accepts(NETLINK_ROUTE, RTM_NEWADDR, &address, sizeof address));
  const uint32_t nothing[8] = {};
  attempt("an audit message", netlink_accepts(NETLINK_AUDIT, 1005, nothing, sizeof nothing));
  attempt("a firewall's table", netlink_accepts(NETLINK_NETFILTER, (10 << 8) | 0, nothing, 4));
  for (int group = 1; group < 32; ++group) {
    struct {
      uint16_t family, pad;
      uint32_t pid, groups;
    } name{AF_NETLINK, 0, 0, 1u << group};
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
    attempt("what the kernel audits",
            fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0 && name.groups == 2);
    if (fd >= 0) close(fd);
  }
}
