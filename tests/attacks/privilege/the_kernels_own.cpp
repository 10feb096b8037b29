// Attack: calls by which root changes the kernel: modules, programs, ports, swap, accounting, quotas, logs
// Learned from: capabilities(7); the arguments are such that nothing happens even where a call is allowed
// Demand: privilege
// Expect: ok
#include "tests/attacks/attack.h"

ATTACK(the_kernels_own) {
  attempt("init_module", call(SYS_init_module, nullptr, 0, "") >= 0);
  attempt("finit_module", call(SYS_finit_module, -1, "", 0) >= 0);
  attempt("delete_module", call(SYS_delete_module, "no-such-module", O_NONBLOCK) >= 0);
  attempt("kexec_load", call(SYS_kexec_load, 0, 0, nullptr, 0) >= 0);
  attempt("reboot", call(SYS_reboot, 0, 0, 0, nullptr) >= 0);  // wrong magic numbers
  attempt("swapon", call(SYS_swapon, "/tmp/no-such-file", 0) >= 0);
  attempt("acct", call(SYS_acct, "/tmp/no-such-file") >= 0);
  attempt("syslog", call(SYS_syslog, 3, malloc(100), 100) >= 0);
  attempt("iopl", call(SYS_iopl, 3) >= 0);
  attempt("ioperm", call(SYS_ioperm, 0x80, 1, 1) >= 0);
  attempt("vhangup", call(SYS_vhangup) >= 0);
  attempt("sethostname", sethostname("owned", 5) == 0);
  attempt("setdomainname", setdomainname("owned", 5) == 0);
  attempt("quotactl", call(SYS_quotactl, 0x800007, "/dev/vda", 0, malloc(200)) >= 0);
  attempt("lookup_dcookie", call(SYS_lookup_dcookie, 0, malloc(100), 100) >= 0);
}
