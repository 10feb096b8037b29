#include "sandbox/core/privilege.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/core/contained.h"
#include "sandbox/core/rootless.h"

namespace milonga::core {
namespace {

struct Sets {
  std::uint64_t effective, permitted, inheritable;
};

constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

int set_capabilities(const Sets& s) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (int i = 0; i < 2; ++i)
    data[i] = {static_cast<__u32>(s.effective >> (32 * i)), static_cast<__u32>(s.permitted >> (32 * i)),
               static_cast<__u32>(s.inheritable >> (32 * i))};
  return static_cast<int>(::syscall(SYS_capset, &header, data));
}

int get_capabilities(Sets& s) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return -1;
  s.effective = data[0].effective | std::uint64_t{data[1].effective} << 32;
  s.permitted = data[0].permitted | std::uint64_t{data[1].permitted} << 32;
  s.inheritable = data[0].inheritable | std::uint64_t{data[1].inheritable} << 32;
  return 0;
}

std::uint64_t permitted_now = 0;  // what drop_to_kept_capabilities() left us

}  // namespace

Fail drop_to_kept_capabilities() {
  Sets have{};
  if (get_capabilities(have) != 0) return failed(Step::start, "cannot read our own capabilities");
  std::uint64_t keep = 0;
  for (int capability : kKeptCapabilities) keep |= bit(capability);
  if ((have.permitted & bit(CAP_SYS_ADMIN)) == 0) {  // root of a container
    set_contained();
    keep &= ~(bit(CAP_SYS_ADMIN) | bit(CAP_MKNOD) | bit(CAP_NET_ADMIN));
  }
  if (is_rootless()) keep |= bit(CAP_SETFCAP);  // who had it may map our 0 onward, user_namespaces(7)
  if ((have.permitted & keep) != keep)
    return refused(Step::start, "the privileged program lacks a capability that it needs: it must be setuid root or "
                                "started by root; in a container with CAP_SETUID, SETGID, SETPCAP, CHOWN, KILL, DAC_OVERRIDE");
  permitted_now = keep;
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);  // read back at the end of the box's set-up
  if (set_capabilities({0, permitted_now, 0}) != 0) return failed(Step::start, "cannot drop capabilities");
  if (get_capabilities(have) != 0 || have.effective != 0 || have.permitted != permitted_now || have.inheritable != 0)
    return refused(Step::start, "capabilities were not dropped as asked");
  return fine();
}

Raised::Raised(int capability) { (void)set_capabilities({bit(capability), permitted_now, 0}); }

Raised::~Raised() {
  const int saved = errno;
  (void)set_capabilities({0, permitted_now, 0});
  errno = saved;
}

void read_capabilities(Inside& into) {
  Sets have{~0ull, ~0ull, ~0ull};
  (void)get_capabilities(have);  // cannot fail for oneself; all ones would show in the report
  into.cap_effective = have.effective;
  into.cap_permitted = have.permitted;
  into.cap_inheritable = have.inheritable;
  into.cap_bounding = into.cap_ambient = 0;
  for (int c = 0; c < 64; ++c) {
    const int in_bounding = ::prctl(PR_CAPBSET_READ, c, 0, 0, 0);
    if (in_bounding < 0) break;  // EINVAL: past the last capability of this kernel
    if (in_bounding == 1) into.cap_bounding |= bit(c);
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1) into.cap_ambient |= bit(c);
  }
}

Fail drop_bounding_set() {
  Raised up(CAP_SETPCAP);
  for (int c = 0; c < 64; ++c)
    if (::prctl(PR_CAPBSET_DROP, c, 0, 0, 0) != 0) {
      if (errno == EINVAL && c > CAP_AUDIT_READ) break;  // past the last capability of this kernel
      return failed(Step::identity, "cannot empty the capability bounding set");
    }
  return fine();
}

Fail drop_all_capabilities() {
  permitted_now = 0;
  if (set_capabilities({0, 0, 0}) != 0) return failed(Step::identity, "cannot drop all capabilities");
  return fine();
}

}  // namespace milonga::core
