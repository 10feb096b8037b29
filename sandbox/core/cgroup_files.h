// Reading and writing the one-number files of a cgroup directory, and the places
// where the hierarchies are mounted. The table of mount points is fixed: with
// privilege nothing is parsed, /proc/self/mountinfo least of all.
//
// Privilege: root by ownership of the files.
#pragma once

#include <cstdint>

#include "base/core/unique_fd.h"

namespace milonga::core {

inline constexpr const char* kOurGroup = "milonga";

// Where the v2 tree is: the whole of /sys/fs/cgroup, or beside the v1 hierarchies (systemd's hybrid layout).
inline constexpr const char* kV2Mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

struct V1Mount {
  const char* paths[2];      // candidates: controllers may be mounted together
  const char* proof;         // a file of every group of this controller
};
inline constexpr V1Mount kV1Mounts[] = {
    {{"/sys/fs/cgroup/memory", nullptr}, "memory.limit_in_bytes"},
    {{"/sys/fs/cgroup/pids", nullptr}, "cgroup.procs"},
    {{"/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"}, "cpuacct.usage"},
};

// The directory as an O_PATH-free descriptor if it is a cgroup file system of that version (1 or 2), else invalid.
UniqueFd open_hierarchy(const char* path, int version);
// The same of an open directory: a descriptor of its own for it.
UniqueFd same_hierarchy(int dir, int version);
// The named directory below `parent`; invalid if it is not there.
UniqueFd open_group(int parent, const char* name);

// Whole-file operations below a group's directory. -1 and errno on failure.
int write_text(int group, const char* file, const char* text);
int write_number(int group, const char* file, std::uint64_t value);
// The number at the start of the file ("max" = all ones).
bool read_number(int group, const char* file, std::uint64_t& value);
// The number behind `key` in a file of "key value" lines.
bool read_key(int group, const char* file, const char* key, std::uint64_t& value);
bool has_file(int group, const char* file);

}  // namespace milonga::core
