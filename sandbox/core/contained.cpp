#include "sandbox/core/contained.h"

#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/core/unique_fd.h"
#include "sandbox/core/identity.h"
#include "sandbox/core/janitor.h"
#include "sandbox/core/privilege.h"
#include "sandbox/policy/mounts.h"

namespace milonga::core {
namespace {

bool contained = false;

// Above systemd's container range and below 2^31 (systemd's UIDS-GIDS.md).
constexpr std::uint64_t kFirstUid = 1'900'000'000, kUids = 200'000'000;

Fail own_directory(int parent, const char* name, UniqueFd& dir) {
  if (::mkdirat(parent, name, 0755) != 0 && errno != EEXIST)
    return failed(Step::root, "cannot make the job's directory (a read-only container needs --tmpfs /home)");
  dir.reset(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return dir.valid() ? fine() : failed(Step::root, "cannot open the job's home");
}

// Runs it as the job, and waits until nothing is left of us: who lost its parent
// in the box became our child (subreaper).
Fail as_the_job(std::uint32_t uid, void (*what)()) {
  const pid_t child = ::fork();
  if (child < 0) return failed(Step::reap, "cannot start the sweeper");
  if (child == 0) {
    if (become(uid, uid)) ::_exit(1);
    what();
    ::_exit(0);
  }
  int status = 0, mine = -1;
  for (pid_t pid = 0; pid >= 0 || errno == EINTR;)
    if (pid = ::waitpid(-1, &status, 0); pid == child) mine = status;
  return mine == 0 ? fine() : failed(Step::reap, "the sweeper could not take the job's ids", 0);
}

}  // namespace

bool is_contained() { return contained; }
void set_contained() { contained = true; }

// RLIMIT_NPROC counts a uid over all containers of a host: the number of our pid
// namespace, which no other that lives has, keeps them apart.
std::uint32_t contained_uid() {
  struct stat st {};
  const std::uint64_t inode = ::stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
  return static_cast<std::uint32_t>(kFirstUid + inode % kUids);
}

bool has_no_network() {
  struct if_nameindex* all = ::if_nameindex();
  bool only_lo = all != nullptr;
  for (const struct if_nameindex* i = all; i != nullptr && i->if_index != 0; ++i)
    if (std::strcmp(i->if_name, "lo") != 0) only_lo = false;
  ::if_freenameindex(all);
  return only_lo;
}

Fail make_home(const RootPlan& plan) {
  Raised writer(CAP_DAC_OVERRIDE);  // ~autograde may be of the image's own user
  UniqueFd homes, home, work;
  MUST(own_directory(AT_FDCWD, "/home", homes));
  MUST(own_directory(homes.get(), kHomeName, home));
  if (::mkdirat(home.get(), plan.work_name, 0755) != 0)
    return failed(Step::root, "cannot make the job's directory in ~autograde (is something of that name there?)");
  MUST(own_directory(home.get(), plan.work_name, work));
  Raised up(CAP_CHOWN);
  if (::fchown(work.get(), plan.uid, plan.gid) != 0 || ::fchown(home.get(), plan.uid, plan.gid) != 0)
    return failed(Step::root, "cannot give the job its directories");
  return fine();
}

Fail sweep(std::uint32_t uid) {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return failed(Step::reap, "cannot become the job's reaper");
  MUST(as_the_job(uid, kill_all_others));
  return as_the_job(uid, remove_leftovers);
}

}  // namespace milonga::core
