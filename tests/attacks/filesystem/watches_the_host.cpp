// Attack: watches whole mounts for what others open
// Learned from: fanotify_init(2)
// Demand: visibility
// Expect: ok
#include <sys/fanotify.h>

#include "tests/attacks/attack.h"

ATTACK(watches_the_host) {
  for (const unsigned kind :
       {FAN_CLASS_NOTIF | 0u, FAN_CLASS_CONTENT | 0u, FAN_CLASS_PRE_CONTENT | 0u, FAN_REPORT_FID | 0u})
    attempt("fanotify", call(SYS_fanotify_init, kind, O_RDONLY) >= 0);
}
