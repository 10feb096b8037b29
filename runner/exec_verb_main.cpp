// exec-verb: runs one verb of an exec driver, and sees to it that nothing of it is
// left, whatever it started and however it or the daemon ends.
//
//   exec-verb DAEMON-PID PROGRAM
//
// It is the reaper of all its descendants (PR_SET_CHILD_SUBREAPER, prctl(2)): who
// detaches himself becomes its child, and is killed when PROGRAM has ended. SIGTERM,
// which also comes when the daemon dies (PR_SET_PDEATHSIG), is handed on; five
// seconds later all of them are killed. SIGKILL is not for it: its children would live.
//
// Exit status: PROGRAM's; 128 + N if signal N ended it; 71 if it could not be started.
//
// Privilege: none (the daemon's user).
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include "base/child.h"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kUsage = 64, kCannotStart = 71;  // sysexits.h
constexpr milliseconds kGrace{5'000};

// Until there are none: who loses its parent becomes ours, and so is seen in the next round.
void kill_all_children() {
  for (;;) {
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    for (pid_t pid = 0; children >> pid;) (void)::kill(pid, SIGKILL);
    if (::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
  }
}

// Reaps what has ended; true once the program itself is among it.
bool reap(pid_t program, int& status) {
  int ended = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &ended, WNOHANG)) > 0;)
    if (pid == program) {
      status = ended;
      return true;
    }
  return false;
}

// The program's end, as waitpid(2) gives it.
int wait_for(pid_t program, int signals) {
  bool asked = false;
  Clock::time_point last_moment;
  for (int status = 0;;) {
    if (reap(program, status)) return status;
    const auto left = std::chrono::duration_cast<milliseconds>(last_moment - Clock::now()).count();
    if (asked && left <= 0) (void)::kill(program, SIGKILL);
    pollfd news{signals, POLLIN, 0};
    (void)::poll(&news, 1, asked && left > 0 ? static_cast<int>(left) : -1);
    signalfd_siginfo info{};
    if (::read(signals, &info, sizeof info) != sizeof info || info.ssi_signo == SIGCHLD || asked) continue;
    (void)::kill(-program, SIGTERM);  // the group that it was started in
    asked = true;
    last_moment = Clock::now() + kGrace;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return kUsage;
  const std::string daemon = argv[1];
  pid_t parent = 0;
  (void)std::from_chars(daemon.data(), daemon.data() + daemon.size(), parent);
  sigset_t handled;
  ::sigemptyset(&handled);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&handled, number);
  ::sigprocmask(SIG_BLOCK, &handled, nullptr);
  const int signals = ::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0 || ::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
    return kCannotStart;
  if (::getppid() != parent) return kCannotStart;  // it died before we would have been told
  milonga::ChildPlan plan;
  plan.argv = {argv[2]};
  plan.descriptors = {{0, 0}, {1, 1}, {2, 2}};
  auto program = milonga::Child::spawn(plan);
  if (!program) {
    std::fprintf(stderr, "%s\n", program.error().line().c_str());
    return kCannotStart;
  }
  const int status = wait_for(program->pid(), signals);
  kill_all_children();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
