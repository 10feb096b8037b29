#include "sandbox/core/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "base/core/unique_fd.h"
#include "sandbox/policy/mounts.h"

namespace milonga::core {
namespace {

// As of version 6; older kernels take the beginning of it (landlock_create_ruleset(2): size).
struct Ruleset {
  std::uint64_t files = 0, network = 0, scopes = 0;
};
constexpr std::uint64_t kScopeAbstractSockets = 1, kScopeSignals = 2;
constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

// All rights on files that this version knows: 13 bits, then one more each for "refer", "truncate", "ioctl_dev".
std::uint64_t all_rights(int version) {
  const int bits = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
  return (std::uint64_t{1} << bits) - 1;
}

Fail allow(int ruleset, const char* path, std::uint64_t rights) {
  UniqueFd fd(::open(path, O_PATH | O_CLOEXEC));
  if (!fd.valid()) return errno == ENOENT ? fine() : failed(Step::filter, "cannot open a directory for Landlock");
  landlock_path_beneath_attr rule{rights, fd.get()};
  return ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0
             ? fine()
             : failed(Step::filter, "cannot add a Landlock rule");
}

}  // namespace

int landlock_version() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version > 0 ? static_cast<int>(version) : 0;
}

Fail restrict_files() {
  const int version = landlock_version();
  const std::uint64_t all = all_rights(version);
  Ruleset attributes{all, 0, version >= kLandlockScopes ? kScopeAbstractSockets | kScopeSignals : 0};
  const std::size_t size = version >= kLandlockScopes ? sizeof attributes : version >= 4 ? 16 : 8;
  UniqueFd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  if (!ruleset.valid()) return failed(Step::filter, "cannot make a Landlock ruleset");
  constexpr std::uint64_t kOfFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE;
  MUST(allow(ruleset.get(), "/", kRead));
  for (const SharedRow& row : kShared) MUST(allow(ruleset.get(), row.path, all));
  for (const DeviceRow& row : kDevices) {
    char path[32] = "/dev/";
    for (int i = 0; row.name[i] != '\0' && i < 20; ++i) path[5 + i] = row.name[i];
    MUST(allow(ruleset.get(), path, (kOfFiles | std::uint64_t{1} << 14 | std::uint64_t{1} << 15) & all & ~kRead));
  }
  MUST(allow(ruleset.get(), "/dev/pts", (kOfFiles | std::uint64_t{1} << 15) & all));
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) return failed(Step::filter, "cannot restrict the job's files");
  return fine();
}

}  // namespace milonga::core
