// What the owner of this host allows: one value per file below
// /etc/milonga/core, so that no parser is needed (qmail's control/). A missing
// file means the default; a file that root alone did not write means refusal.
//
//   uid_base, uid_count   ids of boxes (also their gids); default 60600, 400:
//                         in the range that systemd's UIDS-GIDS.md lists as unused
//   max_wall_s, max_memory, max_processes, max_disk   largest limits that may be asked; default none
//   host_network          1: callers other than root may share the host's network; default 0
//
// Who may call at all is the mode of the installed program: 4750 root:milonga.
//
// Privilege: root by ownership of the files; no capability raised.
#pragma once

#include <cstdint>

#include "autodriver/core/start.h"
#include "sandbox/core/fail.h"
#include "sandbox/model/request.h"

namespace milonga::core {

struct Authority {
  std::uint64_t uid_base = 60600, uid_count = 400;
  std::uint64_t max_wall_s = 0, max_memory = 0, max_processes = 0, max_disk = 0;  // 0 = no maximum but the table's
  std::uint64_t host_network = 0;
};

Fail read_authority(Authority& authority);

// Whether this caller may have this request.
Fail allow(const Authority& authority, const Caller& caller, const Request& request);

}  // namespace milonga::core
