#include "autodriver/core/start.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <initializer_list>

#include "sandbox/core/privilege.h"
#include "sandbox/core/rootless.h"
#include "sandbox/model/request.h"

namespace milonga::core {
namespace {

Fail sane_descriptors() {
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd)
      return failed(Step::start, "cannot open /dev/null");
  if (::close_range(kFdLast + 1, ~0u, 0) != 0) return failed(Step::start, "cannot close foreign descriptors");
  // The supervisor's are not for the job: each process of the box names what it keeps.
  if (::close_range(3, kFdLast, CLOSE_RANGE_CLOEXEC) != 0) return failed(Step::start, "cannot mark descriptors");
  return fine();
}

Fail sane_signals() {
  ::alarm(0);
  for (int sig = 1; sig < NSIG; ++sig)
    if (sig != SIGKILL && sig != SIGSTOP) ::signal(sig, SIG_DFL);  // fails for the two that libc keeps for itself
  // Ctrl-Z at the caller's terminal reaches us whatever our uid is; a stopped supervisor enforces no limit.
  for (const int sig : {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU}) ::signal(sig, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  return ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0 ? fine() : failed(Step::start, "cannot reset signals");
}

}  // namespace

Fail take_control(int argc, Caller& caller) {
  if (argc != 1) return refused(Step::start, "this program is started by autodriver and takes no arguments");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed(Step::start, "cannot become undumpable");
  if (::clearenv() != 0) return failed(Step::start, "cannot clear the environment");
  MUST(sane_descriptors());
  MUST(sane_signals());
  ::umask(022);
  if (::chdir("/") != 0) return failed(Step::start, "cannot change to /");
  caller = {::getuid(), ::getgid()};
  if (::geteuid() != 0) MUST(enter_user_namespace(caller.uid, caller.gid));
  // Real uid 0 as well: from here on the caller can neither stop nor kill us.
  if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) return failed(Step::start, "cannot take real uid 0");
  return drop_to_kept_capabilities();
}

}  // namespace milonga::core
