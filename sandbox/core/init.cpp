#include "sandbox/core/init.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/core/clock.h"
#include "sandbox/core/contained.h"
#include "sandbox/core/identity.h"
#include "sandbox/core/job.h"
#include "sandbox/core/network.h"
#include "sandbox/core/privilege.h"
#include "sandbox/core/rootless.h"
#include "sandbox/core/tracer.h"

namespace milonga::core {
namespace {

constexpr std::uint64_t kLateSupervisor = 3;  // s past the wall limit

// Our own descriptors of the supervisor's side must not live on in here, least
// of all the slot's lock: a copy of it would keep the slot after our death.
Fail close_foreign() {
  if (::close_range(3, kBoxStatus - 1, 0) != 0 || ::close_range(kBoxInput + 1, ~0u, 0) != 0)
    return failed(Step::spawn, "cannot close the supervisor's descriptors");
  return fine();
}

// The supervisor's death kills us. If it died before the line above took
// effect, the pipe has no writer left, and we learn it here.
Fail tie_to_supervisor() {
  int in_force = 0;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || ::prctl(PR_GET_PDEATHSIG, &in_force, 0, 0, 0) != 0)
    return failed(Step::identity, "cannot tie the box to its supervisor");
  if (in_force != SIGKILL) return refused(Step::identity, "the box's death signal does not read back as it was set");
  char go = 0;
  ssize_t n = 0;
  do n = ::read(kBoxGo, &go, 1);
  while (n < 0 && errno == EINTR);
  if (n != 1) return refused(Step::spawn, "the supervisor went away");
  ::close(kBoxGo);
  return fine();
}

[[noreturn]] void end_with(BoxEvent event) {
  (void)tell(event);
  ::_exit(0);  // and the kernel kills whatever the command left in this pid namespace
}

[[noreturn]] void reap_until_the_end(pid_t job) {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, 0);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) give_up(failed(Step::reap, "cannot wait for the command"));
    if (pid != job) continue;
    message().wait_status = status;
    end_with(BoxEvent::ended);
  }
}

Fail set_up(const BoxPlan& plan) {
  begin_step();
  ::umask(0);  // the tables say every mode in full
  MUST(plan.cgroup->enter());
  if (!is_contained()) {
    Raised up(CAP_SYS_ADMIN);  // after joining, so that the box sees its own group as the root of all
    if (::unshare(CLONE_NEWCGROUP) != 0) return failed(Step::spawn, "cannot make a cgroup namespace");
  }
  end_step(Step::spawn);
  if (!is_contained() && (plan.request->flags & kLoopback) != 0) MUST(raise_loopback());
  MUST(is_contained() ? make_home(plan.root) : enter_root(plan.root));
  MUST(close_foreign());
  end_step(Step::root);
  MUST(tie_to_supervisor());
  end_step(Step::identity);
  return fine();
}

// While both have the same ids, and the job no more capabilities than init (ptrace(2), access mode). The job's process
// waits in a stop; become() makes it undumpable again.
Fail wait_to_be_seized() {
  return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 && ::raise(SIGSTOP) == 0 ? fine()
                                                                          : failed(Step::identity, "cannot wait to be counted");
}

Fail seize(pid_t job) {
  int status = 0;
  const bool done = ::waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status) &&
                    ::ptrace(PTRACE_SEIZE, job, nullptr, kTraceOptions) == 0 && ::kill(job, SIGCONT) == 0;
  return done ? fine() : failed(Step::identity, "cannot trace the job to count its CPU time");
}

Fail start_job(const BoxPlan& plan) {
  begin_step();
  if (plan.fallbacks.trace_cpu) {
    MUST(wait_to_be_seized());
    message().setup_cpu_ns = 0;  // the tracer counts from the exec on
  }
  MUST(become(plan.root.uid, plan.root.gid));
  end_step(Step::identity);
  return become_job(plan);
}

// init keeps uid 0, without a capability: with the job's uid it would be the job's to starve (sched_setscheduler(2),
// setpriority(2)) or to limit (prlimit(2)), and so would be the box's death, for which init must run.
Fail rest() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(Step::identity, "cannot set no_new_privs");
  return drop_all_capabilities();
}

// The wall limit once more, for a supervisor that is held up: who owns the cgroup that it was started in can freeze it.
// `begun` ends when the job's process executes the command, which closes the other end, or dies.
void expire_without_supervisor(int begun, std::uint64_t wall) {
  char none = 0;
  (void)!::read(begun, &none, 1);
  ::signal(SIGALRM, [](int) { ::_exit(0); });
  if (wall != 0) ::alarm(static_cast<unsigned>(wall / kSecond + kLateSupervisor));
}

}  // namespace

void run_init(const BoxPlan& plan) {
  if (Fail fail = set_up(plan); fail) give_up(fail);
  message().setup_cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  int begun[2];
  if (::pipe2(begun, O_CLOEXEC) != 0) give_up(failed(Step::spawn, "cannot make a pipe"));
  const pid_t job = ::fork();
  if (job < 0) give_up(failed(Step::spawn, "cannot fork the job's process"));
  if (job == 0) give_up(start_job(plan));  // returns only if it failed
  ::close(begun[1]);
  if (plan.fallbacks.trace_cpu)
    if (Fail fail = seize(job); fail) give_up(fail);
  if (Fail fail = rest(); fail) give_up(fail);
  // Without root the caller has nothing to gain, and the job, whose uid outside is ours, could send us SIGALRM.
  if (!plan.fallbacks.trace_cpu && !is_rootless())
    expire_without_supervisor(begun[0], plan.request->limits[LimitId::wall]);
  ::close_range(kBoxOutput, kBoxInput, 0);
  if (!plan.fallbacks.trace_cpu) reap_until_the_end(job);
  if (Fail fail = trace_to_the_end(job, plan.request->limits[LimitId::cpu], message().wait_status); fail) give_up(fail);
  end_with(BoxEvent::ended);
}

}  // namespace milonga::core
