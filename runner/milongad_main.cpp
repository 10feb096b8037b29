// milongad: the runner daemon. Builds the parts, wires them, and waits.
//
// Exit status: 0 stopped as asked; 1 the spool cannot be used or has failed; 64 usage.
//
// Privilege: none; the boxes are autodriver-core's.
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "base/event_loop.h"
#include "queue/spool.h"
#include "runner/dispatcher.h"
#include "runner/log.h"
#include "runner/options.h"
#include "runner/vmm/drivers.h"
#include "runner/vmm/local.h"

namespace milonga::runner {
namespace {

constexpr int kUsage = 64;
constexpr std::chrono::milliseconds kOrphanDeadline{20'000};

Result<std::unique_ptr<queue::Queue>> open_queue(const DaemonOptions& options) {
  queue::SpoolOptions spool;
  spool.path = options.spool;
  spool.create = !options.check;
  spool.allow_volatile = options.allow_volatile;
  return queue::open_spool(std::move(spool));
}

Result<UniqueFd> stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT}) ::sigaddset(&signals, number);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return fail_errno("block signals", "");
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return fail_errno("wait for signals", "");
  return fd;
}

void kill_orphan(const queue::Job& job, int attempt, const std::string& work_dir) {
  if (!wait_for_orphan(work_dir, kOrphanDeadline))
    log(Level::error,
        fmt::format("job={} attempt={} its autodriver is still alive; look for it with: fuser {}/lock",
                    job.id, attempt, work_dir));
}

Result<void> recover(queue::Queue& queue) {
  const queue::Recovery r = TRY(queue.become_runner(true, kill_orphan));
  for (const std::string& note : queue.take_notes()) log(Level::warning, note);
  const queue::Stats s = TRY(queue.stats());
  log(Level::info,
      fmt::format("{} waiting, {} done, {} bad; recovered: {} offered again, {} finished, {} cancelled, "
                  "{} given up, {} set aside, {} unfinished files removed",
                  s.waiting, s.done, s.bad, r.requeued, r.finished, r.cancelled, r.gave_up, r.quarantined,
                  r.removed_tmp));
  return {};
}

Result<void> serve(const DaemonOptions& options) {
  auto queue = TRY(open_queue(options));
  if (options.check) {
    const queue::Stats s = TRY(queue->stats());
    fmt::print("{}: {} waiting, {} running, {} done, {} bad\n", options.spool, s.waiting, s.running, s.done,
               s.bad);
    return {};
  }
  UniqueFd signals = TRY(stop_signals());
  auto loop = TRY(EventLoop::create());
  TRY(recover(*queue));
  const DriverSetting setting{options.autodriver, options.default_wall, options.warm};
  std::unique_ptr<Vmm> vmm;
  for (const Driver& driver : drivers())
    if (options.driver == driver.name) vmm = driver.make(*loop, *queue, setting);
  DispatchOptions dispatch;
  dispatch.slots = options.slots;
  dispatch.default_wall = options.default_wall;
  Result<void> outcome;
  Dispatcher dispatcher(*loop, *queue, *vmm, dispatch, [&](const Error& error) {
    outcome = Unexpected(error);
    loop->stop();
  });
  TRY(loop->when_readable(queue->changes_fd(), [&] { dispatcher.on_news(); }));
  TRY(loop->when_readable(signals.get(), [&] {
    signalfd_siginfo info{};
    (void)!::read(signals.get(), &info, sizeof info);
    // A second signal does not wait for anything.
    dispatcher.stop(dispatcher.stopping() ? std::chrono::milliseconds(0) : options.grace,
                    [&] { loop->stop(); });
  }));
  loop->post([&] { dispatcher.on_news(); });
  log(Level::info,
      fmt::format("ready: spool {}, {} slots, driver {}", options.spool, options.slots, options.driver));
  TRY(loop->run());
  if (outcome) log(Level::info, "stopped");
  return outcome;
}

}  // namespace
}  // namespace milonga::runner

int main(int argc, char** argv) {
  using namespace milonga::runner;
  const auto options = parse_daemon_options(argc, argv);
  if (!options) {
    write_line("milongad: " + options.error().line());
    return kUsage;
  }
  if (options->print) {
    fmt::print("{}", *options->print);
    return 0;
  }
  if (auto served = serve(*options); !served) {
    write_line("milongad: " + served.error().line());
    return 1;
  }
  return 0;
}
