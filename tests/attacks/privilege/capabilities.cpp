// Attack: looks for capabilities, and asks for them in every way
// Learned from: R13; CVE-2022-24769, CVE-2022-27649, CVE-2022-27650 (inheritable sets not empty)
// Demand: privilege
// Expect: ok
// Outside: userns
#include <linux/capability.h>
#include <sys/prctl.h>

#include "tests/attacks/attack.h"

ATTACK(capabilities) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  call(SYS_capget, &header, data);
  for (const auto& half : data)
    attempt("capabilities in a set", (half.effective | half.permitted | half.inheritable) != 0);
  for (int cap = 0; cap < 64; ++cap) {
    attempt("a capability in the bounding set", prctl(PR_CAPBSET_READ, cap) == 1);
    attempt("an ambient capability", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == 0);
    __user_cap_data_struct wanted[2] = {};
    wanted[cap / 32].effective = wanted[cap / 32].permitted = wanted[cap / 32].inheritable = 1u << (cap % 32);
    attempt("a capability by capset", call(SYS_capset, &header, wanted) == 0 && cap < 41);
  }
  attempt("securebits", prctl(PR_SET_SECUREBITS, 0x2f, 0, 0, 0) == 0);
  attempt("no_new_privs off",
          prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1);
}
