#include "sandbox/core/slot.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "sandbox/core/cgroup.h"
#include "sandbox/core/rootless.h"

namespace milonga::core {

const char* state_dir() {
  static char path[48] = "";
  if (path[0] != '\0') return path;
  if (!is_rootless()) return "/run/milonga";
  std::snprintf(path, sizeof path, "/run/user/%u", outside_uid());
  struct stat st {};
  if (::lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0) {  // our 0 is the caller
    std::snprintf(path, sizeof path, "/run/user/%u/milonga", outside_uid());
  } else {
    std::snprintf(path, sizeof path, "/tmp/milonga-%u", outside_uid());
  }
  return path;
}

namespace {

// The directory, made if need be, and proven to be one that only root can change.
Fail own_directory(int parent, const char* name, UniqueFd& dir) {
  if (::mkdirat(parent, name, 0700) != 0 && errno != EEXIST)
    return failed(Step::slot, "cannot create the state directory (/run/milonga)");
  dir.reset(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  if (!dir.valid() || ::fstat(dir.get(), &st) != 0)
    return failed(Step::slot, "cannot open the state directory (/run/milonga)");
  if (st.st_uid != 0 || (st.st_mode & 022) != 0)
    return refused(Step::slot, "the state directory (/run/milonga; without root /run/user/UID/milonga or /tmp/milonga-UID) is not ours alone: remove it");
  return fine();
}

// The state directory, held by a shared lock for as long as `state` is open:
// autodriver gc takes our directories away only when nobody holds it.
Fail open_state(UniqueFd& state, UniqueFd& slots) {
  UniqueFd mount_point;
  struct stat st {};
  do {
    MUST(own_directory(AT_FDCWD, state_dir(), state));
    // Closed to all others: with a descriptor of it anybody could take the lock, and no box would start.
    if (::fchmod(state.get(), 0700) != 0 || ::flock(state.get(), LOCK_SH) != 0 || ::fstat(state.get(), &st) != 0)
      return failed(Step::slot, "cannot lock the state directory /run/milonga");
  } while (st.st_nlink == 0);  // taken away before we had the lock: make it again
  MUST(own_directory(state.get(), kMountPoint, mount_point));
  return own_directory(state.get(), "slots", slots);
}

enum class Lock { taken, busy, error };

Lock lock_slot(int slots, std::uint32_t number, UniqueFd& lock) {
  char name[16];
  std::snprintf(name, sizeof name, "%u", number);
  lock.reset(::openat(slots, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock.valid()) return Lock::error;
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return Lock::taken;
  return errno == EWOULDBLOCK ? Lock::busy : Lock::error;
}

}  // namespace

Fail Slot::acquire(std::uint32_t count) {
  UniqueFd slots;
  MUST(open_state(state_, slots));
  for (number_ = 0; number_ < count; ++number_) {
    const Lock lock = lock_slot(slots.get(), number_, lock_);
    if (lock == Lock::taken) return fine();
    if (lock == Lock::error) return failed(Step::slot, "cannot lock a slot in /run/milonga/slots");
  }
  return refused(Step::slot, "all slots are in use: too many boxes at once on this host");
}

Fail collect_slots(std::uint32_t count) {
  UniqueFd state, slots;
  MUST(open_state(state, slots));
  const bool alone = ::flock(state.get(), LOCK_EX | LOCK_NB) == 0;
  // A conversion that fails loses the lock it had, flock(2); without one, another collection takes the files of
  // the slots away below us, and our lock on such a file protects us from no new box of that number.
  if (!alone) MUST(open_state(state, slots));
  for (std::uint32_t n = 0; n < count; ++n) {
    UniqueFd lock;
    if (lock_slot(slots.get(), n, lock) != Lock::taken) continue;
    MUST(remove_leftover_cgroups(n, alone && n + 1 == count));
    char name[16];
    std::snprintf(name, sizeof name, "%u", n);
    if (alone) (void)::unlinkat(slots.get(), name, 0);
  }
  if (!alone) return fine();  // boxes live: what they stand on stays
  (void)::unlinkat(state.get(), "slots", AT_REMOVEDIR);
  (void)::unlinkat(state.get(), kMountPoint, AT_REMOVEDIR);
  (void)::unlinkat(AT_FDCWD, state_dir(), AT_REMOVEDIR);
  return fine();
}

}  // namespace milonga::core
