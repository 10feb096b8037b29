#include "sandbox/core/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "sandbox/core/cgroup_files.h"
#include "sandbox/core/contained.h"
#include "sandbox/core/privilege.h"
#include "sandbox/core/rootless.h"
#include "sandbox/model/request.h"

namespace milonga::core {
namespace {

constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};
constexpr std::uint64_t kChargeBatch = 256 * 1024;  // the most that a CPU takes at once (MEMCG_CHARGE_BATCH)
constexpr int kRemoveTries = 2000;  // of 1 ms

Evidence& of(Evidence evidence[], Demand d) { return evidence[static_cast<std::size_t>(d)]; }

void leaf_name(char (&name)[24], std::uint32_t slot) { std::snprintf(name, sizeof name, "box-%u", slot); }

// Our directory in a hierarchy; made if it is not there.
UniqueFd our_group(int hierarchy) {
  if (UniqueFd there = open_group(hierarchy, kOurGroup); there.valid()) return there;
  {
    Raised up(CAP_DAC_OVERRIDE);
    if (::mkdirat(hierarchy, kOurGroup, 0755) != 0 && errno != EEXIST) return {};
  }
  return open_group(hierarchy, kOurGroup);
}

// Our group in this hierarchy, if there is one. A container's is read-only as a
// rule: then it is as if it were not there.
Fail make_parent(UniqueFd& hierarchy, UniqueFd& parent) {
  if (!hierarchy.valid()) return fine();
  parent = our_group(hierarchy.get());
  if (parent.valid()) return fine();
  if (!is_contained()) return failed(Step::cgroup, "cannot create our group in a cgroup hierarchy");
  hierarchy.reset();
  return fine();
}

UniqueFd find_v2() {
  if (is_rootless()) return same_hierarchy(kFdCgroupV2, 2);
  for (const char* path : kV2Mounts)
    if (UniqueFd dir = open_hierarchy(path, 2); dir.valid()) return dir;
  return {};
}

UniqueFd find_v1(Controller c) {
  if (is_rootless()) return same_hierarchy(kFdCgroupV1 + static_cast<int>(c), 1);
  const V1Mount& mount = kV1Mounts[static_cast<std::size_t>(c)];
  for (const char* path : mount.paths)
    if (path != nullptr)
      if (UniqueFd dir = open_hierarchy(path, 1); dir.valid() && has_file(dir.get(), mount.proof)) return dir;
  return {};
}

// rmdir says EBUSY until the kernel has let go of the last dead process. v1 has
// no event for that moment, so this is a bounded wait; it almost never waits.
Fail remove_leaf(int parent, const char* leaf) {
  for (int i = 0; i < kRemoveTries; ++i) {
    if (::unlinkat(parent, leaf, AT_REMOVEDIR) == 0 || errno == ENOENT) return fine();
    if (errno != EBUSY) break;
    const timespec pause{0, 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
  return failed(Step::remove, "cannot remove the cgroup of the box");
}

// A leaf that a dead supervisor left behind: kill what is in it, and remove it.
Fail reclaim_leaf(int parent, const char* leaf) {
  if (UniqueFd dir = open_group(parent, leaf); dir.valid())
    (void)write_text(dir.get(), "cgroup.kill", "1");  // v2 only; on v1 the pid namespace died with its supervisor
  return remove_leaf(parent, leaf);
}

// The only process there then is the caller, by its number in its own pid namespace.
Fail join(int group, const char* file) {
  std::uint64_t member = 0;
  if (write_text(group, file, "0") != 0) return failed(Step::cgroup, "the box's init cannot join its cgroup");
  if (!read_number(group, file, member) || member != static_cast<std::uint64_t>(::getpid()))
    return refused(Step::cgroup, "the box's init is not in the cgroup that it joined");
  return fine();
}

Fail fresh_leaf(int parent, const char* leaf, UniqueFd& dir) {
  if (::mkdirat(parent, leaf, 0755) != 0) {
    if (errno != EEXIST) return failed(Step::cgroup, "cannot create the cgroup of the box");
    MUST(reclaim_leaf(parent, leaf));
    if (::mkdirat(parent, leaf, 0755) != 0) return failed(Step::cgroup, "cannot create the cgroup of the box");
  }
  dir = open_group(parent, leaf);
  return dir.valid() ? fine() : failed(Step::cgroup, "cannot open the cgroup of the box");
}

}  // namespace

Fail BoxCgroup::create(std::uint32_t slot) {
  leaf_name(leaf_, slot);
  UniqueFd root = find_v2();
  MUST(make_parent(root, v2_parent_));
  if (root.valid()) {
    // Which of them the tree has shows below, by the files of the leaf: in a
    // hybrid layout it has none of them and these writes fail, as they should.
    for (const char* controller : {"+memory", "+pids", "+cpu"}) {
      (void)write_text(root.get(), "cgroup.subtree_control", controller);  // 0644 root: no capability needed
      (void)write_text(v2_parent_.get(), "cgroup.subtree_control", controller);
    }
    MUST(fresh_leaf(v2_parent_.get(), leaf_, v2_));
  }
  static constexpr const char* kV2Proof[kControllerCount] = {"memory.max", "pids.max", "cpu.stat"};
  for (std::size_t i = 0; i < kControllerCount; ++i) {
    root = find_v1(static_cast<Controller>(i));
    MUST(make_parent(root, v1_parent_[i]));
    if (root.valid()) {
      MUST(fresh_leaf(v1_parent_[i].get(), leaf_, groups_[i].dir));
      groups_[i].version = 1;
    } else if (v2_.valid() && has_file(v2_.get(), kV2Proof[i])) {
      groups_[i].dir.reset(::fcntl(v2_.get(), F_DUPFD_CLOEXEC, 3));
      groups_[i].version = 2;
    }
  }
  return fine();
}

Fail BoxCgroup::limit(const Limits& limits, Evidence evidence[kDemandCount]) {
  const Group& memory = group(Controller::memory);
  const Group& pids = group(Controller::pids);
  const Group& cpu = group(Controller::cpu);
  if (memory.version != 0) MUST(limit_memory(limits[LimitId::memory], evidence));
  if (pids.version != 0) {
    // One more: the box's init, which is ours.
    Evidence& e = of(evidence, Demand::processes);
    e.mechanism = pids.version == 1 ? Mechanism::cgroup1_pids : Mechanism::cgroup2_pids;
    if (write_number(pids.dir.get(), "pids.max", limits[LimitId::processes] + 1) != 0)
      return failed(Step::cgroup, "cannot set the process limit");
    std::uint64_t in_force = kUnlimited;
    if (!read_number(pids.dir.get(), "pids.max", in_force) || in_force != limits[LimitId::processes] + 1)
      return refused(Step::cgroup, "the process limit does not read back as it was set");
    e.read_back = in_force - 1;
    e.known |= Evidence::kReadBack;
    e.rung = Rung::exact;
    pids_events_.reset(::openat(pids.dir.get(), "pids.events", O_RDONLY | O_CLOEXEC));
    rearm(false, true);
  }
  if (cpu.version != 0 && cpu_ns().ok) {
    of(evidence, Demand::cpu).mechanism = cpu.version == 1 ? Mechanism::cgroup1_cpuacct : Mechanism::cgroup2_cpu_stat;
    of(evidence, Demand::cpu).rung = Rung::exact;
  }
  return fine();
}

Fail BoxCgroup::limit_memory(std::uint64_t bytes, Evidence evidence[kDemandCount]) {
  const Group& memory = group(Controller::memory);
  const bool v1 = memory.version == 1;
  const char* file = v1 ? "memory.limit_in_bytes" : "memory.max";
  Evidence& e = of(evidence, Demand::memory);
  e.mechanism = v1 ? Mechanism::cgroup1_memory : Mechanism::cgroup2_memory;
  if (write_number(memory.dir.get(), file, bytes) != 0) return failed(Step::cgroup, "cannot set the memory limit");
  std::uint64_t in_force = kUnlimited;
  if (!read_number(memory.dir.get(), file, in_force) || in_force > bytes)  // the kernel rounds down to pages
    return refused(Step::cgroup, "the memory limit does not read back as it was set");
  e.read_back = in_force;
  e.known |= Evidence::kReadBack;
  e.rung = Rung::exact;
  MUST(limit_swap(bytes, in_force, of(evidence, Demand::swap)));
  return watch_oom();
}

Fail BoxCgroup::limit_swap(std::uint64_t bytes, std::uint64_t memory_in_force, Evidence& e) {
  const int dir = group(Controller::memory).dir.get();
  std::uint64_t in_force = kUnlimited;
  if (group(Controller::memory).version == 2) {
    if (write_number(dir, "memory.swap.max", 0) == 0 && read_number(dir, "memory.swap.max", in_force) && in_force == 0) {
      e.mechanism = Mechanism::cgroup2_swap_max;
      e.rung = Rung::exact;
    }
  } else if (write_number(dir, "memory.memsw.limit_in_bytes", bytes) == 0 &&
             read_number(dir, "memory.memsw.limit_in_bytes", in_force) && in_force >= memory_in_force && in_force <= bytes) {
    e.mechanism = Mechanism::cgroup1_memsw;
    e.rung = Rung::exact;
  } else if (write_number(dir, "memory.swappiness", 0) == 0) {
    e.mechanism = Mechanism::cgroup1_swappiness;
    e.rung = Rung::bounded;
  }
  struct sysinfo host {};
  if (e.rung != Rung::exact && ::sysinfo(&host) == 0 && host.totalswap == 0) {
    e.mechanism = Mechanism::no_swap_present;
    e.rung = Rung::exact;
    in_force = 0;
  }
  if (e.rung == Rung::exact) {
    // v1 bounds memory and swap together: what is above the memory limit is swap.
    const bool sum = e.mechanism == Mechanism::cgroup1_memsw;
    e.read_back = sum ? in_force - memory_in_force : in_force;
    e.known |= Evidence::kReadBack;
  }
  return fine();  // whether the rung will do is for require() to say
}

Fail BoxCgroup::watch_oom() {
  const int dir = group(Controller::memory).dir.get();
  if (group(Controller::memory).version == 2) {
    if (write_text(dir, "memory.oom.group", "1") != 0) return failed(Step::cgroup, "cannot set memory.oom.group");
    oom_event_.reset(::openat(dir, "memory.events", O_RDONLY | O_CLOEXEC));
    rearm(true, false);
    return oom_event_.valid() ? fine() : failed(Step::cgroup, "cannot watch memory.events");
  }
  // cgroup-v1/memory.rst, section 10: "<event_fd> <fd of memory.oom_control>"
  UniqueFd control(::openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC));
  oom_event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  char line[32];
  std::snprintf(line, sizeof line, "%d %d", oom_event_.get(), control.get());
  if (!control.valid() || !oom_event_.valid() || write_text(dir, "cgroup.event_control", line) != 0)
    return failed(Step::cgroup, "cannot watch memory.oom_control");
  return fine();
}

// kernfs raises POLLPRI for changes since the last read of that descriptor, the
// first poll included; an eventfd is emptied by the same read.
void BoxCgroup::rearm(bool oom, bool forks) const {
  char text[256];
  if (oom && oom_event_.valid() && ::pread(oom_event_.get(), text, sizeof text, 0) < 0 && errno == ESPIPE)
    (void)!::read(oom_event_.get(), text, sizeof text);
  if (forks && pids_events_.valid()) (void)!::pread(pids_events_.get(), text, sizeof text, 0);
}

Fail BoxCgroup::enter() const {
  for (const Group& g : groups_)
    if (g.version == 1) MUST(join(g.dir.get(), "tasks"));
  return is_contained() && v2_.valid() ? join(v2_.get(), "cgroup.procs") : fine();  // else it was born there
}

BoxCgroup::Number BoxCgroup::cpu_ns() const {
  const Group& cpu = group(Controller::cpu);
  Number n;
  if (cpu.version == 1) {
    n.ok = read_number(cpu.dir.get(), "cpuacct.usage", n.value);
  } else if (cpu.version == 2) {
    n.ok = read_key(cpu.dir.get(), "cpu.stat", "usage_usec", n.value);
    n.value *= 1000;
  }
  return n;
}

BoxCgroup::Number BoxCgroup::oom_kills() const {
  const Group& memory = group(Controller::memory);
  Number n;
  if (memory.version == 1) n.ok = read_key(memory.dir.get(), "memory.oom_control", "oom_kill", n.value);
  // With oom.group one victim counts twice in oom_kill (seen on 6.1): only zero or not zero means something.
  if (memory.version == 2) n.ok = read_key(memory.dir.get(), "memory.events.local", "oom_kill", n.value);
  return n;
}

bool BoxCgroup::memory_ran_out() const {
  const Group& memory = group(Controller::memory);
  std::uint64_t peak = 0, limit = kUnlimited;
  if (memory.version == 2) return read_key(memory.dir.get(), "memory.events.local", "oom", peak) && peak > 0;
  // Not memory.failcnt: where swap is counted, it is the sum that reaches its limit first, and that has no such count.
  return read_number(memory.dir.get(), "memory.max_usage_in_bytes", peak) &&
         read_number(memory.dir.get(), "memory.limit_in_bytes", limit) && peak + kChargeBatch >= limit;
}

void BoxCgroup::split_memory(MemorySplit& split) const {
  const int dir = group(Controller::memory).dir.get();
  const bool v1 = group(Controller::memory).version == 1;
  MemorySplit now;
  std::uint64_t cache = 0;  // tmpfs is in there as well
  if (!read_key(dir, "memory.stat", v1 ? "rss" : "anon", now.anon) || !read_key(dir, "memory.stat", "shmem", now.shmem) ||
      !read_key(dir, "memory.stat", v1 ? "cache" : "file", cache))
    return;
  now.file = cache > now.shmem ? cache - now.shmem : 0;
  (void)(v1 ? read_number(dir, "memory.kmem.usage_in_bytes", now.kernel) : read_key(dir, "memory.stat", "kernel", now.kernel));
  split = now;
}

BoxCgroup::Number BoxCgroup::forks_refused() const {
  Number n;
  if (group(Controller::pids).version != 0)
    n.ok = read_key(group(Controller::pids).dir.get(), "pids.events", "max", n.value);
  return n;
}

void BoxCgroup::account(Usage& usage, Evidence evidence[kDemandCount]) const {
  const Group& memory = group(Controller::memory);
  const Group& pids = group(Controller::pids);
  const Group& cpu = group(Controller::cpu);
  const auto counted = [&](Demand d, std::uint64_t value) {
    of(evidence, d).counter = value;
    of(evidence, d).known |= Evidence::kCounter;
  };
  if (memory.version != 0 && read_number(memory.dir.get(), memory.version == 1 ? "memory.max_usage_in_bytes" : "memory.peak",
                                         usage.memory_peak_bytes))
    counted(Demand::memory, usage.memory_peak_bytes);
  if (const Number n = oom_kills(); n.ok) usage.oom_kills = n.value;
  if (memory.version == 1) (void)read_number(memory.dir.get(), "memory.kmem.max_usage_in_bytes", usage.kernel_peak_bytes);
  if (pids.version != 0 && read_number(pids.dir.get(), "pids.peak", usage.processes_peak) && usage.processes_peak > 0)
    --usage.processes_peak;  // the box's init
  if (const Number n = forks_refused(); n.ok) {
    usage.forks_refused = n.value;
    counted(Demand::processes, n.value);
    of(evidence, Demand::processes).hit = n.value > 0;
  }
  if (cpu.version == 1) {
    (void)read_number(cpu.dir.get(), "cpuacct.usage_user", usage.cpu_user_ns);
    (void)read_number(cpu.dir.get(), "cpuacct.usage_sys", usage.cpu_system_ns);
  } else if (cpu.version == 2) {
    if (read_key(cpu.dir.get(), "cpu.stat", "user_usec", usage.cpu_user_ns)) usage.cpu_user_ns *= 1000;
    if (read_key(cpu.dir.get(), "cpu.stat", "system_usec", usage.cpu_system_ns)) usage.cpu_system_ns *= 1000;
  }
}

void BoxCgroup::kill() const {
  if (v2_.valid()) (void)write_text(v2_.get(), "cgroup.kill", "1");
}

bool BoxCgroup::empty() const {
  std::uint64_t populated = 1;
  return v2_.valid() && read_key(v2_.get(), "cgroup.events", "populated", populated) && populated == 0;
}

Fail BoxCgroup::remove() {
  oom_event_.reset();
  pids_events_.reset();
  Fail failure;  // of one hierarchy must not keep the others
  for (std::size_t i = 0; i < kControllerCount; ++i) {
    groups_[i] = {};
    if (!v1_parent_[i].valid()) continue;
    if (Fail fail = remove_leaf(v1_parent_[i].get(), leaf_); fail) failure = fail;
  }
  v2_.reset();
  if (v2_parent_.valid())
    if (Fail fail = remove_leaf(v2_parent_.get(), leaf_); fail) failure = fail;
  return failure;
}

Fail remove_leftover_cgroups(std::uint32_t slot, bool with_parents) {
  char leaf[24];
  leaf_name(leaf, slot);
  UniqueFd roots[kControllerCount + 1];
  roots[0] = find_v2();  // first: there the kill is
  for (std::size_t i = 0; i < kControllerCount; ++i) roots[i + 1] = find_v1(static_cast<Controller>(i));
  for (const UniqueFd& root : roots) {
    if (!root.valid()) continue;
    if (UniqueFd ours = open_group(root.get(), kOurGroup); ours.valid()) MUST(reclaim_leaf(ours.get(), leaf));
    if (!with_parents) continue;
    Raised up(CAP_DAC_OVERRIDE);
    (void)::unlinkat(root.get(), kOurGroup, AT_REMOVEDIR);  // EBUSY: another box lives there
  }
  return fine();
}

}  // namespace milonga::core
