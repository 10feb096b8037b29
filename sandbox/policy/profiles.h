// The profiles: `course` is the table of sandbox/policy/syscalls.h as it stands;
// the others are that table with some rows changed and some argument rules more.
// So a call that is reviewed once is reviewed for all, and each profile shows at
// a glance what it has of its own.
//
// Which one a job gets: --profile NAME. `strict` only takes away from course,
// `debugger` only adds to it; the compiler holds both to that.
//
// Privilege: any (plain constants).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "sandbox/policy/syscalls.h"

namespace milonga {

enum class ProfileId : std::uint32_t { course, strict, debugger };
inline constexpr std::size_t kProfileCount = 3;

// ---- strict: compilers, make, shells, interpreters and programs that read, compute and write

inline constexpr CallRule kStrictChanges[] = {
    {error(EPERM), "no debuggers: a program cannot read or steer another one",
     calls(SYS_ptrace, SYS_process_vm_readv, SYS_personality)},
    {error(EAFNOSUPPORT),
     "no sockets but the two ends of a pair (python's subprocess and multiprocessing); libc's look-ups of "
     "users and hosts fall back to files",
     calls(SYS_socket)},
    {error(EPERM), "a pair is connected already: nothing is left to name, to wait for or to call",
     calls(SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_sendmmsg, SYS_recvmmsg)},
    {error(ENOSYS),
     "System V and POSIX IPC: old code in the kernel with a long list of holes; pipes, files and threads do",
     calls(SYS_shmget, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl,
           SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend,
           SYS_mq_timedreceive, SYS_mq_notify, SYS_mq_getsetattr)},
    {error(ENOSYS), "memory on chosen nodes, locked, or with keys: for servers and JVMs",
     calls(SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy, SYS_mlock, SYS_mlock2, SYS_munlock, SYS_mlockall,
           SYS_munlockall, SYS_pkey_mprotect, SYS_pkey_alloc, SYS_pkey_free)},
    {error(ENOSYS), "files without a name, from which code can be run that no listing shows",
     calls(SYS_memfd_create)},
    {error(ENOSYS), "moves pages between pipes and files (CVE-2022-0847, Dirty Pipe); tools fall back to copying",
     calls(SYS_splice, SYS_tee)},
    {error(ENOSYS), "kernel objects that few programs know; tail(1) and event loops fall back to polling",
     calls(SYS_inotify_init, SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch, SYS_signalfd,
           SYS_signalfd4, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_futex_waitv)},
    {error(ENOSYS), "programs for the kernel to run, though only against the caller itself",
     calls(SYS_seccomp, SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self)},
};
inline constexpr ArgumentRule kStrictArguments[] = {
    {SYS_prctl, 0, ArgumentTest::masked_equal, detail::kWhole, 22, error(EPERM),
     "PR_SET_SECCOMP: the older door to seccomp(2)"},
};

// ---- debugger: course, and what gdb, strace, rr and perf can do more

inline constexpr CallRule kDebuggerChanges[] = {
    {kAllow, "another process's memory and descriptors, for those who may ptrace it: the same check of the kernel",
     calls(SYS_process_vm_writev, SYS_pidfd_getfd, SYS_kcmp)},
    {kAllow,
     "perf and rr; the kernel then still asks kernel.perf_event_paranoid, which is the host's (rr wants 1)",
     calls(SYS_perf_event_open)},
};
inline constexpr ArgumentRule kDebuggerArguments[] = {
    {SYS_perf_event_open, 1, ArgumentTest::masked_equal, detail::kWhole, 0xffffffff, error(EPERM),
     "pid -1: counters of a whole CPU, so of others' processes too"},
    {SYS_perf_event_open, 4, ArgumentTest::masked_equal, 4, 4, error(EPERM),
     "PERF_FLAG_PID_CGROUP: counters of a cgroup"},
};

struct Profile {
  ProfileId id;
  const char* name;
  const char* why;
  std::span<const CallRule> changes;              // instead of the call's row in kCallRules
  std::span<const ArgumentRule> argument_rules;   // after kArgumentRules
};

inline constexpr Profile kProfiles[kProfileCount] = {
    {ProfileId::course, "course", "compilers, interpreters, JVMs, valgrind, gdb: what courses teach", {}, {}},
    {ProfileId::strict, "strict", "compilers and programs that read, compute and write", kStrictChanges,
     kStrictArguments},
    {ProfileId::debugger, "debugger", "course, and what rr and perf need", kDebuggerChanges, kDebuggerArguments},
};

constexpr const Profile& profile(ProfileId id) {
  return kProfiles[static_cast<std::size_t>(id)];
}

// The row that decides by number alone; a null pointer: none, so kUnknownCall.
constexpr const CallRule* rule_for(const Profile& p, int call) {
  for (const std::span<const CallRule> table : {p.changes, std::span<const CallRule>(kCallRules)}) {
    for (const CallRule& rule : table) {
      for (const int number : rule.list) {
        if (number == call) return &rule;
      }
    }
  }
  return nullptr;
}

namespace detail {
constexpr bool changes_are_sound(const Profile& p) {
  for (const CallRule& rule : p.changes) {
    if (rule.why[0] == '\0') return false;
    for (const int call : rule.list) {
      const CallRule* course = rule_for(kProfiles[0], call);
      if (course == nullptr || course->answer == rule.answer || rule_for(p, call) != &rule) return false;
      const bool opens = rule.answer == kAllow;
      if (opens != (p.id == ProfileId::debugger)) return false;
    }
  }
  for (const ArgumentRule& rule : p.argument_rules) {
    if (!is_sound(rule) || rule_for(p, rule.call)->answer != kAllow) return false;
  }
  return true;
}
static_assert(changes_are_sound(kProfiles[0]) && changes_are_sound(kProfiles[1]) && changes_are_sound(kProfiles[2]),
              "a change names a reviewed call once, changes its answer, and strict only refuses, debugger only allows");
static_assert(kProfiles[0].id == ProfileId::course && kProfiles[1].id == ProfileId::strict &&
                  kProfiles[2].id == ProfileId::debugger,
              "profiles stand in the order of their ids");
}  // namespace detail

}  // namespace milonga
