#include "sandbox/probe.h"

#include <libcgroup.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <thread>

namespace milonga {
namespace {

bool is_cgroup2(const char* path) {
  struct statfs fs {};
  return ::statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

// libcgroup reads /proc/mounts and /proc/cgroups. It is slow and allocates,
// which is why boxes are built without it; here it may.
std::vector<ControllerProbe> probe_controllers() {
  std::vector<ControllerProbe> all = {{"memory", "", 0}, {"pids", "", 0}, {"cpuacct", "", 0}, {"cpu", "", 0}};
  if (::cgroup_init() != 0) return all;
  void* handle = nullptr;
  cgroup_mount_point mount{};
  int result = ::cgroup_get_controller_begin(&handle, &mount);
  for (; result == 0; result = ::cgroup_get_controller_next(&handle, &mount))
    for (ControllerProbe& controller : all)
      if (controller.name == mount.name)
        controller = {mount.name, mount.path, is_cgroup2(mount.path) ? 2 : 1};
  ::cgroup_get_controller_end(&handle);
  return all;
}

// In a thread, which alone gets the namespace and takes it along when it ends.
std::vector<NamespaceProbe> probe_namespaces() {
  static constexpr struct {
    const char* name;
    int flag;
  } kKinds[] = {{"mnt", CLONE_NEWNS},  {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC},
                {"uts", CLONE_NEWUTS}, {"net", CLONE_NEWNET}, {"cgroup", CLONE_NEWCGROUP}};
  std::vector<NamespaceProbe> all;
  for (const auto& kind : kKinds) {
    int error = 0;
    std::thread([&] { error = ::unshare(kind.flag) == 0 ? 0 : errno; }).join();
    all.push_back({kind.name, error});
  }
  return all;
}

// Each call with arguments that it must refuse: only ENOSYS says that it is not there.
std::vector<std::string> probe_calls() {
  constexpr unsigned kNoFlags = ~0u;
  const auto answer = [](long result) { return result < 0 ? errno : 0; };
  const struct {
    const char* name;
    int error;
  } calls[] = {
      {"clone3", answer(::syscall(SYS_clone3, nullptr, 0))},
      {"openat2", answer(::syscall(SYS_openat2, -1, nullptr, nullptr, 0))},
      {"fsopen", answer(::syscall(SYS_fsopen, nullptr, kNoFlags))},
      {"fsconfig", answer(::syscall(SYS_fsconfig, -1, kNoFlags, nullptr, nullptr, 0))},
      {"fsmount", answer(::syscall(SYS_fsmount, -1, kNoFlags, 0))},
      {"open_tree", answer(::syscall(SYS_open_tree, -1, nullptr, kNoFlags))},
      {"move_mount", answer(::syscall(SYS_move_mount, -1, nullptr, -1, nullptr, kNoFlags))},
      {"mount_setattr", answer(::syscall(SYS_mount_setattr, -1, nullptr, kNoFlags, nullptr, 0))},
      {"close_range", answer(::syscall(SYS_close_range, 1, 0, kNoFlags))},
      {"pidfd_send_signal", answer(::syscall(SYS_pidfd_send_signal, -1, 0, nullptr, kNoFlags))},
      {"memfd_create", answer(::syscall(SYS_memfd_create, nullptr, kNoFlags))},
      {"seccomp", answer(::syscall(SYS_seccomp, kNoFlags, 0, nullptr))},
  };
  std::vector<std::string> missing;
  for (const auto& call : calls)
    if (call.error == ENOSYS) missing.emplace_back(call.name);
  return missing;
}

std::string probe_capabilities(bool& may_build_boxes) {
  const cap_t mine = ::cap_get_proc();
  if (mine == nullptr) return "unknown";
  // docs/privilege.md, the privileged program's ledger.
  static constexpr cap_value_t kUsed[] = {CAP_SYS_ADMIN, CAP_MKNOD,  CAP_CHOWN,        CAP_SETPCAP,
                                          CAP_SETGID,    CAP_SETUID, CAP_DAC_OVERRIDE, CAP_KILL};
  may_build_boxes = true;
  for (const cap_value_t capability : kUsed) {
    cap_flag_value_t permitted = CAP_CLEAR;
    if (::cap_get_flag(mine, capability, CAP_PERMITTED, &permitted) != 0 || permitted != CAP_SET)
      may_build_boxes = false;
  }
  char* text = ::cap_to_text(mine, nullptr);
  std::string result = text != nullptr ? text : "unknown";
  ::cap_free(text);
  ::cap_free(mine);
  return result;
}

const ControllerProbe& controller(const HostProbe& host, std::string_view name) {
  static const ControllerProbe kNone{};
  for (const ControllerProbe& c : host.controllers)
    if (c.name == name) return c;
  return kNone;
}

DemandProbe swap_rung(const HostProbe& host) {
  const ControllerProbe& memory = controller(host, "memory");
  if (memory.version == 2 && exists("/proc/swaps"))
    return {Demand::swap, Rung::exact, Mechanism::cgroup2_swap_max, ""};
  if (memory.version == 1 && exists(memory.path + "/memory.memsw.limit_in_bytes"))
    return {Demand::swap, Rung::exact, Mechanism::cgroup1_memsw, ""};
  if (host.swap_bytes == 0) return {Demand::swap, Rung::exact, Mechanism::no_swap_present, ""};
  const char* hint = "boot with swapaccount=1, or swapoff -a";
  if (memory.version == 1) return {Demand::swap, Rung::bounded, Mechanism::cgroup1_swappiness, hint};
  return {Demand::swap, Rung::none, Mechanism::none, hint};
}

bool has_namespaces(const HostProbe& host, std::initializer_list<std::string_view> names) {
  for (const NamespaceProbe& n : host.namespaces)
    for (const std::string_view name : names)
      if (n.name == name && n.error != 0 && n.error != EPERM) return false;
  return true;
}

}  // namespace

HostProbe probe_host() {
  HostProbe host;
  host.controllers = probe_controllers();
  host.namespaces = probe_namespaces();
  host.missing_calls = probe_calls();
  // With a null program a kernel that has filters answers EFAULT, prctl(2).
  host.seccomp_filter = ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) != 0 && errno == EFAULT;
  host.capabilities = probe_capabilities(host.may_build_boxes);
  host.cgroup2_tree = is_cgroup2("/sys/fs/cgroup") || is_cgroup2("/sys/fs/cgroup/unified");
  struct sysinfo info {};
  if (::sysinfo(&info) == 0) host.swap_bytes = std::uint64_t{info.totalswap} * info.mem_unit;
  utsname name{};
  if (::uname(&name) == 0) host.kernel = name.release;
  std::ifstream("/proc/sys/kernel/core_pattern") >> host.core_pattern;
  return host;
}

std::vector<DemandProbe> expected_rungs(const HostProbe& host) {
  const auto by_cgroup = [&](Demand d, const ControllerProbe& c, Mechanism v1, Mechanism v2,
                             const char* hint) {
    if (c.version == 0) return DemandProbe{d, Rung::none, Mechanism::none, hint};
    return DemandProbe{d, Rung::exact, c.version == 1 ? v1 : v2, ""};
  };
  const auto by_kernel = [](Demand d, bool there, Mechanism m, const char* hint) {
    return there ? DemandProbe{d, Rung::exact, m, ""} : DemandProbe{d, Rung::none, Mechanism::none, hint};
  };
  const ControllerProbe& cpuacct = controller(host, "cpuacct");
  const char* kernel = "use a kernel of 5.12 or newer with namespaces";
  const bool builds = host.missing_calls.empty();
  std::vector<DemandProbe> all = {
      {Demand::wall, Rung::exact, Mechanism::timerfd, ""},
      by_cgroup(Demand::cpu, cpuacct.version != 0 ? cpuacct : controller(host, "cpu"),
                Mechanism::cgroup1_cpuacct, Mechanism::cgroup2_cpu_stat,
                "mount the cgroup v2 tree, or the v1 controller cpuacct"),
      by_cgroup(Demand::memory, controller(host, "memory"), Mechanism::cgroup1_memory,
                Mechanism::cgroup2_memory, "boot with cgroup_enable=memory, and mount cgroups"),
      by_cgroup(Demand::processes, controller(host, "pids"), Mechanism::cgroup1_pids, Mechanism::cgroup2_pids,
                "mount the cgroup v2 tree, or the v1 controller pids"),
      by_kernel(Demand::disk, builds, Mechanism::tmpfs_size, kernel),
      by_kernel(Demand::inodes, builds, Mechanism::tmpfs_inodes, kernel),
      {Demand::file_size, Rung::exact, Mechanism::rlimit_fsize, ""},
      {Demand::open_files, Rung::exact, Mechanism::rlimit_nofile, ""},
      {Demand::output, Rung::exact, Mechanism::output_pipe, ""},
      by_kernel(Demand::kill, has_namespaces(host, {"pid"}), Mechanism::pid_namespace, kernel),
      swap_rung(host),
      by_kernel(Demand::network, has_namespaces(host, {"net"}), Mechanism::net_namespace, kernel),
      by_kernel(Demand::filesystem, builds && has_namespaces(host, {"mnt"}), Mechanism::own_root, kernel),
      by_kernel(Demand::visibility, has_namespaces(host, {"pid", "ipc", "uts", "cgroup"}),
                Mechanism::namespaces, kernel),
      by_kernel(Demand::privilege, ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0, Mechanism::no_new_privs,
                kernel),
      by_kernel(Demand::syscalls, host.seccomp_filter, Mechanism::seccomp_filter,
                "use a kernel with CONFIG_SECCOMP_FILTER"),
  };
  DemandProbe& kill = all[static_cast<std::size_t>(Demand::kill)];
  if (kill.rung == Rung::exact && !host.cgroup2_tree)
    kill = {Demand::kill, Rung::strong, Mechanism::pid_namespace,
            "mount the cgroup v2 tree: then an empty box is also read back"};
  return all;
}

}  // namespace milonga
