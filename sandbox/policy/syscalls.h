// The system call policy `course`, as data: what compilers, interpreters, JVMs,
// valgrind and gdb need. The other profiles are changes to it
// (sandbox/policy/profiles.h). Each number up to kNewestReviewedCall stands in exactly
// one row, with a reason; newer ones do not exist for a job (ENOSYS, and libc
// falls back), so that a kernel update opens nothing. (x86_64.)
//
// A call passes two tables:
//   kCallRules: by number
//   kArgumentRules: of a call that is allowed by number, refused when the argument matches
// Calls of another architecture (int 0x80, x32) kill the process before both:
// the same number means another call there.
//
// Only scalars are compared, never what a pointer points at: another thread can
// change that after the check (seccomp_unotify(2)). Only the low 32 bits are
// compared where the kernel looks at 32 bits (CVE-2019-10063: TIOCSTI with high
// bits set passed a 64-bit comparison).
//
// sandbox/filter_compiler.cpp makes BPF from it at build time;
// tests/sandbox/policy_test.cpp holds that BPF against these tables.
//
// Privilege: any (plain constants).
#pragma once

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace milonga {

inline constexpr std::uint32_t kPolicyArch = AUDIT_ARCH_X86_64;
inline constexpr std::uint32_t kX32Bit = 0x40000000;

// Answers are the kernel's own values: SECCOMP_RET_*.
inline constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
inline constexpr std::uint32_t kForeignCall = SECCOMP_RET_KILL_PROCESS;
constexpr std::uint32_t error(std::uint32_t code) {
  return SECCOMP_RET_ERRNO | code;
}
inline constexpr std::uint32_t kPretend = error(0);  // returns 0 and does nothing
inline constexpr std::uint32_t kUnknownCall = error(ENOSYS);

// Calls newer than Debian 12's kernel headers.
inline constexpr int kSysCachestat = 451, kSysFchmodat2 = 452, kSysMapShadowStack = 453, kSysFutexWake = 454,
                     kSysFutexWait = 455, kSysFutexRequeue = 456, kSysStatmount = 457, kSysListmount = 458,
                     kSysLsmGetSelfAttr = 459, kSysLsmSetSelfAttr = 460, kSysLsmListModules = 461,
                     kSysMseal = 462, kSysSetxattrat = 463, kSysGetxattrat = 464, kSysListxattrat = 465,
                     kSysRemovexattrat = 466, kSysOpenTreeAttr = 467, kSysFileGetattr = 468,
                     kSysFileSetattr = 469;
inline constexpr int kNewestReviewedCall = 469;
// x86_64 has no calls 335 to 423 (from 424 on all architectures share numbers).
inline constexpr int kGapFirst = 335, kGapLast = 423;

struct CallList {
  std::array<int, 64> number{};
  std::size_t size = 0;

  [[nodiscard]] constexpr const int* begin() const { return number.data(); }
  [[nodiscard]] constexpr const int* end() const { return number.data() + size; }
};
constexpr CallList calls(auto... numbers) {
  return {{numbers...}, sizeof...(numbers)};
}

struct CallRule {
  std::uint32_t answer;
  const char* why;
  CallList list;
};

inline constexpr CallRule kCallRules[] = {
    // ---- allowed
    {kAllow, "read and write what is already open",
     calls(SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev, SYS_preadv, SYS_pwritev,
           SYS_preadv2, SYS_pwritev2, SYS_lseek, SYS_close, SYS_close_range, SYS_dup, SYS_dup2, SYS_dup3,
           SYS_fcntl, SYS_flock, SYS_ioctl, SYS_fsync, SYS_fdatasync, SYS_sync_file_range, SYS_ftruncate,
           SYS_fallocate, SYS_fadvise64, SYS_readahead, SYS_sendfile, SYS_copy_file_range, SYS_splice,
           SYS_tee)},
    {kAllow, "files by name: what may be seen is decided by mounts and permissions, never here",
     calls(SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_stat, SYS_fstat, SYS_lstat, SYS_newfstatat,
           SYS_statx, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_readlink, SYS_readlinkat, SYS_getdents,
           SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_mkdir, SYS_mkdirat, SYS_rmdir, SYS_unlink,
           SYS_unlinkat, SYS_rename, SYS_renameat, SYS_renameat2, SYS_link, SYS_linkat, SYS_symlink,
           SYS_symlinkat, SYS_truncate, SYS_utime, SYS_utimes, SYS_futimesat, SYS_utimensat, SYS_umask,
           SYS_statfs, SYS_fstatfs)},
    {kAllow,
     "tar, cp -a and install change modes, owners and attributes; without capabilities only their own",
     calls(SYS_chmod, SYS_fchmod, SYS_fchmodat, kSysFchmodat2, SYS_chown, SYS_fchown, SYS_lchown,
           SYS_fchownat, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_getxattr, SYS_lgetxattr,
           SYS_fgetxattr, SYS_listxattr, SYS_llistxattr, SYS_flistxattr, SYS_removexattr, SYS_lremovexattr,
           SYS_fremovexattr)},
    {kAllow, "mkfifo is mknod; device nodes need CAP_MKNOD", calls(SYS_mknod, SYS_mknodat)},
    {kAllow, "memory; bounded by the cgroup and RLIMIT_MEMLOCK",
     calls(SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap, SYS_brk, SYS_msync, SYS_mincore, SYS_madvise,
           SYS_mlock, SYS_mlock2, SYS_munlock, SYS_mlockall, SYS_munlockall, SYS_memfd_create,
           SYS_pkey_mprotect, SYS_pkey_alloc, SYS_pkey_free)},
    {kAllow, "JVMs and MPI libraries place their memory on nodes, and print warnings when refused",
     calls(SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy)},
    {kAllow, "processes and threads; bounded by the cgroup (clone: see the argument rules)",
     calls(SYS_clone, SYS_fork, SYS_vfork, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_wait4,
           SYS_waitid, SYS_set_tid_address, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq,
           SYS_membarrier, SYS_arch_prctl, SYS_prctl, SYS_restart_syscall)},
    {kAllow, "signals; the pid namespace bounds whom they reach",
     calls(SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigtimedwait,
           SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_rt_sigsuspend, SYS_sigaltstack, SYS_kill,
           SYS_tkill, SYS_tgkill, SYS_pause, SYS_signalfd, SYS_signalfd4, SYS_pidfd_open,
           SYS_pidfd_send_signal)},
    {kAllow, "gdb, strace and valgrind; the pid namespace and the uid bound what they reach",
     calls(SYS_ptrace, SYS_process_vm_readv)},
    {kAllow, "gdb switches off address randomisation of what it debugs; changes only the caller",
     calls(SYS_personality)},
    {kAllow, "who am I",
     calls(SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
           SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_getpgrp, SYS_getpgid, SYS_getsid, SYS_setpgid,
           SYS_setsid, SYS_capget, SYS_uname, SYS_sysinfo, SYS_getcpu, SYS_getrusage, SYS_times)},
    {kAllow, "programs set the ids that they have already; the kernel refuses all others",
     calls(SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid,
           SYS_setfsgid, SYS_setgroups, SYS_capset)},
    {kAllow, "resource limits and scheduling: without capabilities only downwards",
     calls(SYS_getrlimit, SYS_setrlimit, SYS_prlimit64, SYS_getpriority, SYS_setpriority, SYS_ioprio_get,
           SYS_ioprio_set, SYS_sched_yield, SYS_sched_setparam, SYS_sched_getparam, SYS_sched_setscheduler,
           SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min,
           SYS_sched_rr_get_interval, SYS_sched_setaffinity, SYS_sched_getaffinity, SYS_sched_setattr,
           SYS_sched_getattr)},
    {kAllow, "time",
     calls(SYS_time, SYS_gettimeofday, SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep,
           SYS_nanosleep, SYS_alarm, SYS_getitimer, SYS_setitimer, SYS_timer_create, SYS_timer_settime,
           SYS_timer_gettime, SYS_timer_getoverrun, SYS_timer_delete, SYS_timerfd_create, SYS_timerfd_settime,
           SYS_timerfd_gettime)},
    {kAllow, "waiting for events",
     calls(SYS_poll, SYS_ppoll, SYS_select, SYS_pselect6, SYS_epoll_create, SYS_epoll_create1, SYS_epoll_ctl,
           SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd, SYS_eventfd2, SYS_inotify_init,
           SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch, SYS_futex, SYS_futex_waitv)},
    {kAllow, "pipes and sockets; the network namespace is the box's own (families: see the argument rules)",
     calls(SYS_pipe, SYS_pipe2, SYS_socket, SYS_socketpair, SYS_connect, SYS_accept, SYS_accept4, SYS_bind,
           SYS_listen, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg,
           SYS_shutdown, SYS_getsockname, SYS_getpeername, SYS_setsockopt, SYS_getsockopt)},
    {kAllow, "System V and POSIX IPC, which courses teach; the ipc namespace is the box's own",
     calls(SYS_shmget, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl,
           SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend,
           SYS_mq_timedreceive, SYS_mq_notify, SYS_mq_getsetattr)},
    {kAllow, "random numbers", calls(SYS_getrandom)},
    {kAllow, "a program may confine itself further",
     calls(SYS_seccomp, SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self)},

    // ---- answered, not done
    {kPretend,
     "flushes the disks of the whole host, for everyone; a box is all tmpfs, so there is nothing to flush",
     calls(SYS_sync, SYS_syncfs)},

    // ---- refused: EPERM, as without the right to
    {error(EPERM),
     "new namespaces bring back the privileged half of the kernel (and with it most of its holes)",
     calls(SYS_unshare, SYS_setns)},
    {error(EPERM), "keyrings belong to uids and outlive the box",
     calls(SYS_add_key, SYS_request_key, SYS_keyctl)},
    {error(EPERM), "what is mounted is the box's wall",
     calls(SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, kSysOpenTreeAttr,
           SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr)},
    {error(EPERM), "opens files past all directories (the 'shocker' escape)",
     calls(SYS_open_by_handle_at, SYS_name_to_handle_at)},
    {error(EPERM), "programs in the kernel: bpf and perf have a long list of holes, and see other users",
     calls(SYS_bpf, SYS_perf_event_open)},
    {error(EPERM), "stops the kernel in the middle of a copy, the classic help in exploiting races",
     calls(SYS_userfaultfd)},
    {error(EPERM), "the host's kernel, its modules, disks and power",
     calls(SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module,
           SYS_swapon, SYS_swapoff, SYS_reboot, SYS_quotactl, SYS_quotactl_fd, SYS_acct, SYS_syslog, SYS_iopl,
           SYS_ioperm, SYS_vhangup, SYS_sethostname, SYS_setdomainname)},
    {error(EPERM), "the host's clock",
     calls(SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime)},
    {error(EPERM), "watches whole mounts, of which some are the host's",
     calls(SYS_fanotify_init, SYS_fanotify_mark)},
    {error(EPERM),
     "other processes' memory and descriptors: gdb writes by ptrace, MPI falls back to shared memory; rr has "
     "the profile debugger",
     calls(SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd, SYS_process_madvise, SYS_process_mrelease, SYS_migrate_pages,
           SYS_move_pages)},

    // ---- refused: ENOSYS, so that libraries fall back
    {error(ENOSYS), "its flags are behind a pointer and cannot be checked; libc falls back to clone",
     calls(SYS_clone3)},
    {error(ENOSYS), "does system calls that no filter sees; libuv and others probe and fall back",
     calls(SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register)},
    {error(ENOSYS),
     "fs.aio-max-nr is one number for the whole host: a job could use it up for all; databases fall back",
     calls(SYS_io_setup, SYS_io_destroy, SYS_io_getevents, SYS_io_submit, SYS_io_cancel, SYS_io_pgetevents)},
    {error(ENOSYS), "rarely used and often broken in the kernel",
     calls(SYS_vmsplice, SYS_remap_file_pages, SYS_modify_ldt, SYS_memfd_secret,
           SYS_set_mempolicy_home_node)},
    {error(ENOSYS), "newer than what labs use, and not needed; libraries fall back",
     calls(kSysCachestat, kSysMapShadowStack, kSysFutexWake, kSysFutexWait, kSysFutexRequeue, kSysMseal,
           kSysSetxattrat, kSysGetxattrat, kSysListxattrat, kSysRemovexattrat, kSysFileGetattr,
           kSysFileSetattr)},
    {error(ENOSYS), "tells about the host's mounts and security modules",
     calls(kSysStatmount, kSysListmount, kSysLsmGetSelfAttr, kSysLsmSetSelfAttr, kSysLsmListModules)},
    {error(ENOSYS), "obsolete, or never implemented on x86_64",
     calls(SYS_uselib, SYS_ustat, SYS_sysfs, SYS__sysctl, SYS_create_module, SYS_get_kernel_syms,
           SYS_query_module, SYS_nfsservctl, SYS_getpmsg, SYS_putpmsg, SYS_afs_syscall, SYS_tuxcall,
           SYS_security, SYS_set_thread_area, SYS_get_thread_area, SYS_lookup_dcookie, SYS_epoll_ctl_old,
           SYS_epoll_wait_old, SYS_vserver)},
};

// (argument & mask) == value, on the low 32 bits: the mask has no higher ones.
// `at_least` compares all 64 bits (garbage above only makes it refuse more).
enum class ArgumentTest : std::uint32_t { masked_equal, at_least };

struct ArgumentRule {
  int call;
  unsigned argument;  // 0 to 5
  ArgumentTest test;
  std::uint32_t mask;  // with masked_equal
  std::uint32_t value;
  std::uint32_t answer;
  const char* why;
};

namespace detail {

inline constexpr std::uint32_t kWhole = 0xffffffff;
inline constexpr std::uint32_t kTiocsti = 0x5412, kTioclinux = 0x541c, kTiocsetd = 0x5423;

constexpr ArgumentRule ioctl_refused(std::uint32_t request, const char* why) {
  return {SYS_ioctl, 1, ArgumentTest::masked_equal, kWhole, request, error(EPERM), why};
}
constexpr ArgumentRule clone_refused(std::uint64_t flag, const char* why) {
  const auto bit = static_cast<std::uint32_t>(flag);
  return {SYS_clone, 0, ArgumentTest::masked_equal, bit, bit, error(EPERM), why};
}
constexpr ArgumentRule init_refused(int call, unsigned argument) {
  return {call, argument, ArgumentTest::masked_equal, kWhole, 1, error(EPERM),
          "the scheduling of the box's init, which has the job's uid in a box without root: a job that makes it "
          "idle and keeps the CPUs busy outlives its limits"};
}
constexpr ArgumentRule family_refused(int call, std::uint32_t family) {
  return {call,
          0,
          ArgumentTest::masked_equal,
          kWhole,
          family,
          error(EAFNOSUPPORT),
          "only AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK: the others are rarely used, often broken, or "
          "(AF_VSOCK) "
          "not held by the network namespace"};
}
constexpr ArgumentRule families_from(int call, std::uint32_t family) {
  ArgumentRule rule = family_refused(call, family);
  rule.test = ArgumentTest::at_least;
  return rule;
}

}  // namespace detail

inline constexpr ArgumentRule kArgumentRules[] = {
    detail::ioctl_refused(detail::kTiocsti, "types into the terminal it was started from (CVE-2017-5226)"),
    detail::ioctl_refused(detail::kTioclinux, "pastes into the console (CVE-2023-28339 and others)"),
    detail::ioctl_refused(detail::kTiocsetd,
                          "loads line disciplines into the kernel (CVE-2017-2636 and others)"),
    detail::clone_refused(CLONE_NEWUSER, "namespaces: a user namespace makes the caller root in it"),
    detail::clone_refused(CLONE_NEWNS, "namespaces: mounts"),
    detail::clone_refused(CLONE_NEWPID, "namespaces: processes"),
    detail::clone_refused(CLONE_NEWNET, "namespaces: network"),
    detail::clone_refused(CLONE_NEWIPC, "namespaces: IPC"),
    detail::clone_refused(CLONE_NEWUTS, "namespaces: host name"),
    detail::clone_refused(CLONE_NEWCGROUP, "namespaces: cgroups"),
    detail::init_refused(SYS_sched_setscheduler, 0),
    detail::init_refused(SYS_sched_setparam, 0),
    detail::init_refused(SYS_sched_setattr, 0),
    detail::init_refused(SYS_sched_setaffinity, 0),
    detail::init_refused(SYS_setpriority, 1),
    {SYS_setpriority, 0, ArgumentTest::masked_equal, detail::kWhole, PRIO_USER, error(EPERM),
     "all processes of a uid, the box's init too"},
    // The box's init has the job's uid, which is all that prlimit(2) asks for: with a CPU limit of 0 the kernel kills
    // it, and the run ends without a verdict. Programs set their own limits, by pid 0.
    {SYS_prlimit64, 0, ArgumentTest::at_least, detail::kWhole, 1, error(EPERM),
     "limits of other processes, the box's init too"},
    // Of the families 0 to 16 all but 1 AF_UNIX, 2 AF_INET, 10 AF_INET6, 16 AF_NETLINK.
    detail::family_refused(SYS_socket, 0),
    detail::family_refused(SYS_socket, 3),
    detail::family_refused(SYS_socket, 4),
    detail::family_refused(SYS_socket, 5),
    detail::family_refused(SYS_socket, 6),
    detail::family_refused(SYS_socket, 7),
    detail::family_refused(SYS_socket, 8),
    detail::family_refused(SYS_socket, 9),
    detail::family_refused(SYS_socket, 11),
    detail::family_refused(SYS_socket, 12),
    detail::family_refused(SYS_socket, 13),
    detail::family_refused(SYS_socket, 14),
    detail::family_refused(SYS_socket, 15),
    detail::families_from(SYS_socket, AF_NETLINK + 1),
    // socketpair: only AF_UNIX has pairs worth having (0 is AF_UNSPEC).
    detail::family_refused(SYS_socketpair, 0),
    detail::families_from(SYS_socketpair, AF_UNIX + 1),
};

namespace detail {
constexpr std::size_t rows_with(int call) {
  std::size_t rows = 0;
  for (const CallRule& rule : kCallRules) {
    for (const int number : rule.list) rows += number == call ? 1 : 0;
  }
  return rows;
}
constexpr bool each_call_has_one_row() {
  for (int call = 0; call <= kNewestReviewedCall; ++call) {
    const bool exists = call < kGapFirst || call > kGapLast;
    if (rows_with(call) != (exists ? 1u : 0u)) return false;
  }
  return true;
}
static_assert(each_call_has_one_row(),
              "each call up to kNewestReviewedCall stands in exactly one row of kCallRules");

constexpr bool is_sound(const ArgumentRule& rule) {
  if (rule.argument > 5 || rule.answer == kAllow || rule.why[0] == '\0') return false;
  return (rule.value & ~rule.mask) == 0 && rows_with(rule.call) == 1;
}
constexpr bool argument_rules_are_sound() {
  for (const ArgumentRule& rule : kArgumentRules) {
    if (!is_sound(rule)) return false;
  }
  return true;
}
static_assert(argument_rules_are_sound(), "an argument rule refuses something that can occur, and says why");
}  // namespace detail

}  // namespace milonga
