// Attack: every call that changes ids, to 0 and to its neighbours'
// Learned from: R16; crun CVE-2026-30892
// Demand: privilege
// Expect: ok
// Outside: userns
#include <grp.h>
#include <sys/fsuid.h>

#include "tests/attacks/attack.h"

ATTACK(becomes_root) {
  const uid_t mine = getuid();
  const gid_t group = getgid();
  for (const uid_t id : {0u, mine + 1, mine - 1, 65534u, 1000u}) {
    if (id == mine) continue;
    attempt("setuid", setuid(id) == 0);
    attempt("setreuid", setreuid(id, id) == 0);
    attempt("setresuid", setresuid(id, id, id) == 0);
    attempt("setgid", setgid(id) == 0);
    attempt("setresgid", setresgid(id, id, id) == 0);
    setfsuid(id);
    attempt("setfsuid", static_cast<uid_t>(setfsuid(mine)) == id);
    const gid_t groups[] = {id};
    attempt("setgroups", setgroups(1, groups) == 0);
  }
  attempt("an effective id that is not its own", geteuid() != mine || getegid() != group || mine == 0 || group == 0);
  attempt("a supplementary group", getgroups(0, nullptr) > 0);
}
