// Runs a program under ptrace and makes one of its system calls go wrong: the instruments of inject_test.py.
//
//   inject LOG FOLLOW PROCESS INDEX ACTION VALUE PROGRAM [ARGUMENT...]
//
// FOLLOW   1: also what PROGRAM forks; each process until it executes another program. 0: PROGRAM alone
// PROCESS  0 is PROGRAM, 1 its first child, 2 the next process that appears, ...
// INDEX    the first call of a process is 0
// ACTION   none; error: the call is not made and fails with errno VALUE; fake: it is not made and returns VALUE; made: it
//          is made, and seems to have failed with errno VALUE, as close(2) does;
//          kill: SIGKILL at its entry
// LOG      gets a line for each call, `PROCESS INDEX NUMBER RESULT SETS`, where SETS is 0 of a write(2) to anything but a
//          cgroup's file and of a prlimit(2) that only asks; and `outlived PROCESS` for what was still there 20 s after
//          the start (and is killed then)
//
// Ends as PROGRAM ends, when nothing of it is left. Inherits its descriptors to PROGRAM and keeps none of them.
//
// Privilege: root, in tests only.
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

namespace {

constexpr long kPatience = 20;  // s

struct Process {
  int number = 0;
  long index = -1;  // of the call that it is in, or was in last
  bool inside = false;
  bool struck = false;  // that call is the one
  bool sets = false;
};

struct Plan {
  bool follow = false;
  int process = -1;
  long index = -1;
  char action = 'n';
  long value = 0;
};

FILE* log_file;
std::map<pid_t, Process> living;
int next_number = 0;

volatile sig_atomic_t late = 0;

void on_alarm(int) { late = 1; }

void end_the_late() {
  if (late == 0) return;
  for (const auto& [pid, process] : living) {
    std::fprintf(log_file, "outlived %d\n", process.number);
    ::kill(pid, SIGKILL);
  }
}

bool sets_something(pid_t pid, const __ptrace_syscall_info& info) {
  if (info.entry.nr == SYS_prlimit64) return info.entry.args[2] != 0;
  if (info.entry.nr != SYS_write) return true;
  const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(info.entry.args[0]);
  char path[64] = {};
  return ::readlink(link.c_str(), path, sizeof path - 1) > 0 && std::strncmp(path, "/sys/fs/cgroup/", 15) == 0;
}

void at_entry(const Plan& plan, pid_t pid, Process& p) {
  ++p.index;
  p.struck = plan.action != 'n' && p.number == plan.process && p.index == plan.index;
  if (!p.struck) return;
  if (plan.action == 'k') ::kill(pid, SIGKILL);
  if (plan.action == 'k' || plan.action == 'm') return;
  user_regs_struct registers{};
  ::ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
  registers.orig_rax = ~0ull;  // no such call: the kernel makes none
  ::ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
}

void at_exit(const Plan& plan, pid_t pid, const Process& p, long number) {
  user_regs_struct registers{};
  ::ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
  if (p.struck) {
    registers.rax = static_cast<unsigned long long>(plan.action == 'f' ? plan.value : -plan.value);
    ::ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
  }
  std::fprintf(log_file, "%d %ld %ld %lld %d\n", p.number, p.index, number, static_cast<long long>(registers.rax), p.sets);
}

void on_stop(const Plan& plan, pid_t pid, int status) {
  Process& p = living[pid];
  const int sig = WSTOPSIG(status), event = status >> 16;
  long deliver = 0;
  if (event == PTRACE_EVENT_EXEC && p.index > 0) {  // the job's own from here on
    ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
    living.erase(pid);
    return;
  }
  if (sig == (SIGTRAP | 0x80)) {
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
    static std::map<pid_t, long> numbers;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      numbers[pid] = static_cast<long>(info.entry.nr);
      p.sets = sets_something(pid, info);
      at_entry(plan, pid, p);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && p.index >= 0) {
      at_exit(plan, pid, p, numbers[pid]);
    }
  } else if (event == 0 && sig != SIGSTOP) {
    deliver = sig;
  }
  ::ptrace(PTRACE_SYSCALL, pid, nullptr, deliver);
}

int watch(const Plan& plan, pid_t program) {
  int ended_with = 0;
  while (!living.empty()) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, __WALL);
    end_the_late();
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) break;
    if (WIFSTOPPED(status)) {
      if (living.find(pid) == living.end()) living[pid].number = next_number++;
      on_stop(plan, pid, status);
      continue;
    }
    living.erase(pid);
    if (pid == program) ended_with = status;
  }
  return ended_with;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8) return 64;
  log_file = std::fopen(argv[1], "we");
  Plan plan{argv[2][0] == '1', std::atoi(argv[3]), std::atol(argv[4]), argv[5][0], std::atol(argv[6])};
  if (log_file == nullptr) return 64;
  const pid_t program = ::fork();
  if (program == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    ::execv(argv[7], argv + 7);
    ::_exit(64);
  }
  for (int fd = 0; fd < 256; ++fd)
    if (fd != 2 && fd != ::fileno(log_file)) ::close(fd);
  living[program].number = next_number++;
  int status = 0;
  if (::waitpid(program, &status, 0) != program || !WIFSTOPPED(status)) return 64;
  long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (plan.follow) options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
  ::ptrace(PTRACE_SETOPTIONS, program, nullptr, options);
  struct sigaction action {};
  action.sa_handler = on_alarm;  // without SA_RESTART
  ::sigaction(SIGALRM, &action, nullptr);
  const itimerval when{{1, 0}, {kPatience, 0}};  // and again: one that comes just before waitpid is missed
  ::setitimer(ITIMER_REAL, &when, nullptr);
  living[program].index = -2;  // the execve that begins it is none of its own
  ::ptrace(PTRACE_SYSCALL, program, nullptr, nullptr);
  status = watch(plan, program);
  std::fclose(log_file);
  if (WIFSIGNALED(status)) {
    ::signal(WTERMSIG(status), SIG_DFL);
    ::raise(WTERMSIG(status));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 64;
}
