// Attack: fills POSIX message queues: memory of the kernel, accounted to the uid
// Learned from: R25, RLIMIT_MSGQUEUE
// Demand: processes
// Expect: ok
#include <mqueue.h>

#include "tests/attacks/attack.h"

ATTACK(message_queues) {
  int made = 0;
  char name[32];
  for (int i = 0; i < 300; ++i) {
    mq_attr attributes{};
    attributes.mq_maxmsg = 10;
    attributes.mq_msgsize = 8192;
    snprintf(name, sizeof name, "/q%d", i);
    if (mq_open(name, O_CREAT | O_RDWR, 0600, &attributes) >= 0) ++made;
  }
  attempt("more than 819200 bytes of queues", made > 10);
}
