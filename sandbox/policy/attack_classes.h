// The known ways through system calls out of a sandbox, or at the kernel: what
// must be refused for each to be closed. `autodriver audit` asks the filter
// itself about every attempt; nothing here says that something is closed.
//
// Privilege: any (plain constants).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sandbox/policy/profiles.h"

namespace milonga {

// past_filters: the kernel does not ask a filter about it.
enum class Entrance : std::uint32_t { native, i386, x32, past_filters };

// Calls of a range of numbers; with `argument`, only those with this value there.
struct Attempt {
  Entrance entrance = Entrance::native;
  int first = 0, last = 0;
  int argument = kAnyArguments;
  std::uint64_t value = 0;

  static constexpr int kAnyArguments = -1;
};
inline constexpr std::size_t kMaxAttempts = 32;

struct AttemptList {
  std::array<Attempt, kMaxAttempts> attempt{};
  std::size_t size = 0;

  [[nodiscard]] constexpr const Attempt* begin() const { return attempt.data(); }
  [[nodiscard]] constexpr const Attempt* end() const { return attempt.data() + size; }
};
constexpr AttemptList any(auto... numbers) {
  return {{Attempt{Entrance::native, numbers, numbers}...}, sizeof...(numbers)};
}
constexpr AttemptList with(int call, int argument, auto... values) {
  return {{Attempt{Entrance::native, call, call, argument, static_cast<std::uint64_t>(values)}...},
          sizeof...(values)};
}
constexpr AttemptList range(Entrance entrance, int first, int last) {
  return {{Attempt{entrance, first, last}}, 1};
}
constexpr AttemptList operator+(AttemptList left, const AttemptList& right) {
  for (const Attempt& attempt : right) left.attempt[left.size++] = attempt;
  return left;
}

// A setting of the host (a file in /proc/sys) that would close the class as well,
// for every program: a second line if the filter were wrong.
struct HostSwitch {
  const char* file = nullptr;  // a null pointer: there is none
  long closed_from = 0, closed_to = 0;
};

struct AttackClass {
  const char* name;
  unsigned
      weight;  // 3: has repeatedly given root or the host; 2: has, or shows others' secrets; 1: a nuisance
  const char* danger;    // what it is good for, and where that was seen
  const char* if_open;   // what else stands against it in a box, and why a profile may leave it open
  AttemptList attempts;  // all must be refused
  HostSwitch host;
};

inline constexpr AttackClass kAttackClasses[] = {
    {"user namespaces",
     3,
     "root in a namespace reaches the privileged half of the kernel (CVE-2022-0185, CVE-2023-0386)",
     "no capability is left to begin with",
     any(SYS_unshare, SYS_setns, SYS_clone3) + with(SYS_clone, 0, CLONE_NEWUSER),
     {"user/max_user_namespaces", 0, 0}},
    {"other namespaces",
     2,
     "views of mounts, processes or networks of its own making, to confuse privileged programs",
     "CAP_SYS_ADMIN is needed, of which the box has none",
     with(SYS_clone, 0, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP),
     {}},
    {"mount API",
     3,
     "changes what is mounted, the box's wall (CVE-2022-0185 was in fsconfig)",
     "CAP_SYS_ADMIN is needed, of which the box has none",
     any(SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, kSysOpenTreeAttr, SYS_move_mount,
         SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr),
     {}},
    {"file handles",
     2,
     "opens files past all directories (the 'shocker' escape of Docker, 2014)",
     "CAP_DAC_READ_SEARCH is needed to open by handle",
     any(SYS_open_by_handle_at, SYS_name_to_handle_at),
     {}},
    {"io_uring",
     3,
     "does system calls that no filter sees, and is young code (CVE-2022-29582, CVE-2023-2598)",
     "nothing",
     any(SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register),
     {"kernel/io_uring_disabled", 2, 2}},
    {"bpf",
     3,
     "programs in the kernel; its verifier was wrong often (CVE-2021-3490, CVE-2023-2163)",
     "nothing",
     any(SYS_bpf),
     {"kernel/unprivileged_bpf_disabled", 1, 2}},
    {"perf events",
     2,
     "counters in the kernel and side channels (CVE-2013-2094, CVE-2023-5717)",
     "kernel.perf_event_paranoid of the host; own processes only; rr and perf need it",
     any(SYS_perf_event_open),
     {}},
    {"counters of others",
     2,
     "a whole CPU's counters show what others compute",
     "kernel.perf_event_paranoid of the host",
     with(SYS_perf_event_open, 1, 0xffffffff) + with(SYS_perf_event_open, 4, 4),
     {"kernel/perf_event_paranoid", 1, 9}},
    {"userfaultfd",
     2,
     "stops the kernel in the middle of a copy: the classic help in winning races",
     "nothing",
     any(SYS_userfaultfd),
     {"vm/unprivileged_userfaultfd", 0, 0}},
    {"kernel keyrings",
     2,
     "belong to uids, outlive the box, and had holes (CVE-2016-0728)",
     "each box has a uid of its own, but boxes after it have the same",
     any(SYS_add_key, SYS_request_key, SYS_keyctl),
     {}},
    {"terminal injection",
     3,
     "types into the terminal that it was started from (CVE-2017-5226, CVE-2023-28339)",
     "the box has no terminal of the host's",
     with(SYS_ioctl, 1, 0x5412, 0x541c),
     {"dev/tty/legacy_tiocsti", 0, 0}},
    {"line disciplines",
     2,
     "loads rarely used modules (CVE-2017-2636 n_hdlc, CVE-2023-6546 n_gsm)",
     "nothing",
     with(SYS_ioctl, 1, 0x5423),
     {"dev/tty/ldisc_autoload", 0, 0}},
    {"calls of i386",
     3,
     "the same number means another call: a filter for one is blind for the other (CVE-2009-0835)",
     "nothing",
     range(Entrance::i386, 0, 1023),
     {}},
    {"calls of x32",
     3,
     "the same, by a bit in the number",
     "most kernels are built without x32",
     range(Entrance::x32, 0, 1023),
     {}},
    {"calls that nobody has reviewed",
     3,
     "a kernel update would open them",
     "nothing",
     range(Entrance::native, kNewestReviewedCall + 1, 1023) +
         range(Entrance::native, kGapFirst + 2, kGapLast) + any(0x3fffffff),
     {}},
    {"vsock",
     2,
     "reaches the hypervisor and other guests: no network namespace holds it",
     "nothing",
     with(SYS_socket, 0, 40) + with(SYS_socketpair, 0, 40),
     {}},
    {"exotic socket families",
     3,
     "each is a module that few use (CVE-2016-8655 packet, CVE-2021-43267 TIPC)",
     "the box has no CAP_NET_RAW",
     with(SYS_socket, 0, 0, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 17, 21, 29, 30, 31, 38, 41, 42, 43, 44,
          45) +
         with(SYS_socketpair, 0, 0, 2, 30),
     {}},
    {"modules and kexec",
     3,
     "another kernel, or other code in it",
     "CAP_SYS_MODULE and CAP_SYS_BOOT are needed",
     any(SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load),
     {}},
    {"host power, disks and ports",
     2,
     "stops or bends the host",
     "the capabilities for it are needed",
     any(SYS_reboot, SYS_swapon, SYS_swapoff, SYS_quotactl, SYS_quotactl_fd, SYS_acct, SYS_syslog, SYS_iopl,
         SYS_ioperm, SYS_vhangup, SYS_sethostname, SYS_setdomainname),
     {}},
    {"host clock",
     2,
     "time for everybody",
     "CAP_SYS_TIME is needed",
     any(SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime),
     {}},
    {"watching whole mounts",
     1,
     "sees what others do with files (fanotify)",
     "CAP_SYS_ADMIN is needed for all but own marks",
     any(SYS_fanotify_init, SYS_fanotify_mark),
     {"fs/fanotify/max_user_groups", 0, 0}},
    {"flushing the host's disks",
     1,
     "sync() writes for everybody and waits for it",
     "nothing",
     any(SYS_sync, SYS_syncfs),
     {}},
    {"asynchronous I/O",
     1,
     "fs.aio-max-nr is one number for the whole host, and can be used up",
     "nothing",
     any(SYS_io_setup, SYS_io_destroy, SYS_io_getevents, SYS_io_submit, SYS_io_cancel, SYS_io_pgetevents),
     {"fs/aio-max-nr", 0, 0}},
    {"rare memory calls",
     2,
     "little tested code on page tables (CVE-2008-0600 vmsplice, CVE-2017-17053 modify_ldt)",
     "nothing",
     any(SYS_vmsplice, SYS_remap_file_pages, SYS_modify_ldt, SYS_memfd_secret, SYS_set_mempolicy_home_node,
         kSysMapShadowStack, kSysMseal),
     {}},
    {"calls too new to need",
     1,
     "young code that no lab uses",
     "nothing",
     any(kSysCachestat, kSysFutexWake, kSysFutexWait, kSysFutexRequeue, kSysSetxattrat, kSysGetxattrat,
         kSysListxattrat, kSysRemovexattrat, kSysFileGetattr, kSysFileSetattr),
     {}},
    {"knowledge of the host",
     1,
     "its mounts and security modules",
     "the box's own mount namespace",
     any(kSysStatmount, kSysListmount, kSysLsmGetSelfAttr, kSysLsmSetSelfAttr, kSysLsmListModules,
         SYS_lookup_dcookie, SYS_ustat, SYS_sysfs),
     {}},
    {"obsolete calls",
     1,
     "code that nobody looks at any more",
     "most are not there",
     any(SYS_uselib, SYS__sysctl, SYS_create_module, SYS_get_kernel_syms, SYS_query_module, SYS_nfsservctl,
         SYS_getpmsg, SYS_putpmsg, SYS_afs_syscall, SYS_tuxcall, SYS_security, SYS_set_thread_area,
         SYS_get_thread_area, SYS_epoll_ctl_old, SYS_epoll_wait_old, SYS_vserver),
     {}},
    {"others' memory policy",
     1,
     "moves and drops pages of other processes",
     "the box's own uid and pid namespace",
     any(SYS_process_madvise, SYS_process_mrelease, SYS_migrate_pages, SYS_move_pages),
     {}},
    {"writing to other processes",
     2,
     "memory and descriptors of another process",
     "the same check as for ptrace: only the box's own processes; rr needs it",
     any(SYS_process_vm_writev, SYS_pidfd_getfd, SYS_kcmp),
     {"kernel/yama/ptrace_scope", 3, 3}},

    // ---- open where a profile needs them
    {"debugging",
     2,
     "steers other processes; ptrace had holes (CVE-2019-13272)",
     "only the box's own processes can be seen; gdb, strace and valgrind need it",
     any(SYS_ptrace, SYS_process_vm_readv, SYS_personality),
     {"kernel/yama/ptrace_scope", 3, 3}},
    {"internet sockets",
     2,
     "TCP, UDP, IPv6 (CVE-2019-11477), SCTP and DCCP if the host has the modules (CVE-2017-6074); and the "
     "network",
     "the network namespace is the box's own and empty, unless --network says otherwise; labs teach it",
     with(SYS_socket, 0, 2, 10),
     {}},
    {"netlink",
     2,
     "the kernel's configuration sockets (CVE-2022-1015 nf_tables, with a user namespace)",
     "its own, empty network namespace, no capability; libc lists interfaces by it",
     with(SYS_socket, 0, 16),
     {}},
    {"unix sockets",
     1,
     "pass descriptors; their garbage collector had holes (CVE-2021-0920)",
     "own network namespace: abstract names of the host are out of reach; programs use them among themselves",
     with(SYS_socket, 0, 1) +
         any(SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_sendmmsg, SYS_recvmmsg),
     {}},
    {"System V and POSIX IPC",
     2,
     "shared kernel objects that outlive processes (CVE-2015-7613)",
     "the ipc namespace is the box's own and goes with it; courses teach it",
     any(SYS_shmget, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl,
         SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend,
         SYS_mq_timedreceive, SYS_mq_notify, SYS_mq_getsetattr),
     {}},
    {"pages between pipes and files",
     2,
     "splice (CVE-2022-0847, Dirty Pipe)",
     "read-only mounts do not help against it: keep the kernel new; few tools use it",
     any(SYS_splice, SYS_tee),
     {}},
    {"code without a file",
     1,
     "runs what no listing shows (memfd_create)",
     "noexec is not what holds a box: it may run what it writes anyway",
     any(SYS_memfd_create),
     {"vm/memfd_noexec", 2, 2}},
    {"own filters",
     1,
     "small programs for the kernel's interpreter and compiler, against itself only",
     "nothing; browsers and sandboxes in labs use them",
     any(SYS_seccomp, SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self) +
         with(SYS_prctl, 0, 22),
     {}},
    {"rare kernel objects",
     1,
     "inotify, signalfd, pidfd: counted by nobody but rlimits and sysctls",
     "a uid of its own, so only its own share; tail -f and event loops use them",
     any(SYS_inotify_init, SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch, SYS_signalfd,
         SYS_signalfd4, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_futex_waitv),
     {}},
    {"placing and locking memory",
     1,
     "memory that cannot be taken back",
     "RLIMIT_MEMLOCK; JVMs and MPI use it",
     any(SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy, SYS_mlock, SYS_mlock2, SYS_munlock, SYS_mlockall,
         SYS_munlockall, SYS_pkey_mprotect, SYS_pkey_alloc, SYS_pkey_free),
     {}},
    {"scheduling and limits of the box's init",
     2,
     "a job that makes it idle, or ends it, outlives its limits or its verdict",
     "with root, init has another uid than the job",
     with(SYS_sched_setscheduler, 0, 1) + with(SYS_sched_setparam, 0, 1) + with(SYS_sched_setattr, 0, 1) +
         with(SYS_sched_setaffinity, 0, 1) + with(SYS_setpriority, 1, 1) +
         with(SYS_setpriority, 0, PRIO_USER) + with(SYS_prlimit64, 0, 1, 2),
     {}},
    {"uprobe trampolines",
     1,
     "uretprobe and uprobe, which the kernel lets pass every filter since 6.14",
     "outside of code that the kernel itself has placed they answer with SIGILL",
     range(Entrance::past_filters, kGapFirst, kGapFirst + 1),
     {}},
    {"POSIX timers",
     1,
     "CPU timers had holes (CVE-2025-38352)",
     "RLIMIT_SIGPENDING bounds them; timeout(1) needs them",
     any(SYS_timer_create, SYS_timer_settime),
     {}},
    {"futexes",
     1,
     "CVE-2014-3153 (Towelroot)",
     "nothing: every program with threads needs them",
     any(SYS_futex),
     {}},
};

namespace detail {
constexpr bool attack_classes_are_sound() {
  for (const AttackClass& c : kAttackClasses) {
    if (c.name[0] == '\0' || c.danger[0] == '\0' || c.if_open[0] == '\0') return false;
    if (c.weight < 1 || c.weight > 3 || c.attempts.size == 0) return false;
    for (const Attempt& a : c.attempts) {
      if (a.first > a.last || a.argument > 5) return false;
    }
  }
  return true;
}
static_assert(attack_classes_are_sound(),
              "each class: a danger, what else stands against it, a weight, attempts");
}  // namespace detail

}  // namespace milonga
