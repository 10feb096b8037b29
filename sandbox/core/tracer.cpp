#include "sandbox/core/tracer.h"

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/core/clock.h"
#include "sandbox/core/box_status.h"
#include "sandbox/model/limits.h"

namespace milonga::core {
namespace {

constexpr std::size_t kMaxTraced = limit_row(LimitId::processes).maximum;
constexpr std::uint64_t kShortestWait = 2'000'000;  // ns: how late the limit may be noticed

pid_t live[kMaxTraced];  // processes; threads are in the clock of theirs
std::size_t live_count = 0;
std::uint64_t dead_ns = 0;  // CPU of those that are gone
std::uint64_t limit_ns = 0, next_check_ns = ~std::uint64_t{0};
std::uint64_t setup_ns = 0;  // what the job's process had used before its exec
bool begun = false;

// CPU of a process with all its threads, dead ones included; false for a thread's id.
bool process_clock(pid_t pid, std::uint64_t& ns) {
  clockid_t clock = 0;
  timespec t{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &t) != 0) return false;
  ns = static_cast<std::uint64_t>(t.tv_sec) * kSecond + static_cast<std::uint64_t>(t.tv_nsec);
  return true;
}

// Once: who is stopped and goes on shows itself as a new one does.
void learn(pid_t pid) {
  std::uint64_t ns = 0;
  for (std::size_t i = 0; i < live_count; ++i)
    if (live[i] == pid) return;
  if (live_count < kMaxTraced && process_clock(pid, ns)) live[live_count++] = pid;
}

// It is dead and not reaped yet: its clock stands still. Who is not in the list has been settled: a zombie comes a
// second time when its parent dies without having waited for it.
void settle(pid_t pid) {
  std::uint64_t ns = 0;
  for (std::size_t i = 0; i < live_count; ++i)
    if (live[i] == pid) {
      if (process_clock(pid, ns)) dead_ns += ns;
      live[i] = live[--live_count];
      return;
    }
}

std::uint64_t used_ns() {
  std::uint64_t sum = dead_ns, ns = 0;
  for (std::size_t i = 0; i < live_count; ++i)
    if (process_clock(live[i], ns)) sum += ns;
  return sum > setup_ns ? sum - setup_ns : 0;
}

// The command's exec: what its process has used before was our set-up.
void begin(pid_t job) {
  begun = true;
  (void)process_clock(job, setup_ns);
  if (limit_ns != 0) next_check_ns = 0;
}

bool is_stop_signal(int sig) { return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU; }

// Whatever stopped it, it goes on as if nobody had looked (ptrace(2), "PTRACE_EVENT stops", "Group-stop").
void go_on(pid_t pid, int status) {
  const int sig = status & 0xff, event = status >> 8;
  if (event == PTRACE_EVENT_STOP && is_stop_signal(sig)) {
    (void)::ptrace(PTRACE_LISTEN, pid, nullptr, nullptr);  // a real stop, e.g. of job control: it stays
    return;
  }
  if (event == PTRACE_EVENT_STOP) learn(pid);  // a new one's first
  if (event == PTRACE_EVENT_EXEC && !begun) begin(pid);
  (void)::ptrace(PTRACE_CONT, pid, nullptr, event == 0 ? sig : 0);  // ESRCH: it was killed meanwhile
}

// As the supervisor does it with a cgroup: the limit cannot be reached sooner than left / CPUs from now.
void check_limit() {
  const std::uint64_t used = used_ns();
  if (used >= limit_ns) {
    next_check_ns = ~std::uint64_t{0};  // told once
    message().traced_cpu_ns = used;
    (void)tell(BoxEvent::cpu_limit);
    return;
  }
  cpu_set_t cpus;  // not sysconf(3): it reads /sys, which a box has not
  const int count = ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : CPU_SETSIZE;
  std::uint64_t wait = (limit_ns - used) / static_cast<std::uint64_t>(count);
  if (wait < kShortestWait) wait = kShortestWait;
  next_check_ns = now_ns() + wait;
  itimerval when{};
  when.it_value.tv_sec = static_cast<time_t>(wait / kSecond);
  when.it_value.tv_usec = static_cast<suseconds_t>(wait % kSecond / 1000);
  (void)::setitimer(ITIMER_REAL, &when, nullptr);
}

// All that has happened. True when the job has ended.
bool look(pid_t job, int& wait_status) {
  for (;;) {
    if (now_ns() >= next_check_ns) check_limit();  // also in a storm of events that never lets us sleep
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOWAIT | WNOHANG | __WALL) != 0 || info.si_pid == 0) return false;
    const pid_t pid = info.si_pid;
    if (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) {
      settle(pid);
      int status = 0;
      if (::waitpid(pid, &status, __WALL | WNOHANG) != pid || pid != job) continue;
      wait_status = status;
      return true;
    }
    // Not waitpid(2): it would reap who has been killed since, uncounted.
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOHANG | __WALL) == 0 && info.si_pid == pid)
      go_on(pid, info.si_status);
  }
}

}  // namespace

Fail trace_to_the_end(pid_t job, std::uint64_t limit, int& wait_status) {
  sigset_t awaited;
  ::sigemptyset(&awaited);
  ::sigaddset(&awaited, SIGCHLD);
  ::sigaddset(&awaited, SIGALRM);
  if (::sigprocmask(SIG_BLOCK, &awaited, nullptr) != 0) return failed(Step::run, "cannot block signals");
  limit_ns = limit;
  learn(job);
  while (!look(job, wait_status)) {
    int sig = 0;
    (void)::sigwait(&awaited, &sig);
  }
  message().traced_cpu_ns = used_ns();
  return fine();
}

}  // namespace milonga::core
