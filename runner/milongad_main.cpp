// milongad: the runner daemon. Builds the parts, wires them, and waits.
//
// Exit status: 0 stopped as asked; 1 the spool cannot be used or has failed; 64 usage, or the config.
//
// Privilege: none; the boxes are autodriver-core's.
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <fstream>

#include "base/event_loop.h"
#include "queue/spool.h"
#include "runner/about.h"
#include "runner/callbacks.h"
#include "runner/dispatcher.h"
#include "base/log.h"
#include "runner/metrics.h"
#include "runner/options.h"
#include "runner/service_manager.h"
#include "runner/status_server.h"
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

// The last word of FORMAT, made with the spool: what bears it on a platform is this spool's.
Result<std::string> spool_id(const std::string& spool) {
  std::ifstream in(spool + "/FORMAT");
  std::string word, id;
  while (in >> word) id = word;
  return id.empty() ? Result<std::string>(fail_errno("read", spool + "/FORMAT")) : id;
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

Result<void> check(const DaemonOptions& options) {
  const auto queue = TRY(open_queue(options));
  const queue::Stats s = TRY(queue->stats());
  fmt::print("{}: {} waiting, {} running, {} done, {} bad\n", options.spool, s.waiting, s.running, s.done, s.bad);
  return {};
}

// The parts of the daemon; each works on the loop, and refers to those above it.
class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> create(const DaemonOptions& options);
  Result<void> run();

 private:
  explicit Daemon(const DaemonOptions& options) : options_(options) {}
  Result<void> make_driver();
  Result<void> make_callbacks();
  Result<void> make_status();
  StatusPage page(std::string_view path) const;
  [[nodiscard]] Gauges gauges() const;
  void on_signal();

  const DaemonOptions& options_;
  UniqueFd signals_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<queue::Queue> queue_;
  std::unique_ptr<Vmm> vmm_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Callbacks> callbacks_;
  std::unique_ptr<StatusServer> status_;
  std::unique_ptr<ServiceManager> manager_;
  Result<void> outcome_;
};

Result<std::unique_ptr<Daemon>> Daemon::create(const DaemonOptions& options) {
  std::unique_ptr<Daemon> daemon(new Daemon(options));
  daemon->queue_ = TRY(open_queue(options));
  daemon->signals_ = TRY(stop_signals());
  daemon->loop_ = TRY(EventLoop::create());
  daemon->manager_ = std::make_unique<ServiceManager>(*daemon->loop_);
  TRY(recover(*daemon->queue_));
  TRY(daemon->queue_->introduce(about_json(options)));
  TRY(daemon->make_driver());
  TRY(daemon->make_callbacks());
  TRY(daemon->make_status());
  TRY(daemon->loop_->when_readable(daemon->signals_.get(), [&d = *daemon] { d.on_signal(); }));
  return daemon;
}

Result<void> Daemon::make_driver() {
  const DriverSetting setting{options_.autodriver, options_.default_wall, options_.warm,
                              TRY(spool_id(options_.spool)), options_.docker, options_.ssh, options_.exec};
  for (const Driver& driver : drivers())
    if (options_.driver == driver.name) vmm_ = TRY(driver.make(*loop_, *queue_, setting));
  DispatchOptions dispatch;
  dispatch.slots = options_.slots;
  dispatch.default_wall = options_.default_wall;
  dispatcher_ = std::make_unique<Dispatcher>(*loop_, *queue_, *vmm_, dispatch, [this](const Error& error) {
    outcome_ = Unexpected(error);
    loop_->stop();
  });
  TRY(loop_->when_readable(queue_->changes_fd(), [this] { dispatcher_->on_news(); }));
  loop_->post([this] { dispatcher_->on_news(); });
  return {};
}

Result<void> Daemon::make_callbacks() {
  queue::Outbox* outbox = queue_->outbox();
  if (outbox == nullptr) return {};
  callbacks_ = std::make_unique<Callbacks>(*loop_, *queue_, *outbox, options_.callbacks);
  TRY(loop_->when_readable(outbox->changes_fd(), [this] { callbacks_->on_news(); }));
  loop_->post([this] { callbacks_->on_news(); });
  return {};
}

Result<void> Daemon::make_status() {
  if (options_.metrics_listen.empty()) return {};
  status_ = TRY(StatusServer::listen(*loop_, options_.metrics_listen, [this](std::string_view path) { return page(path); }));
  log(Level::info, fmt::format("metrics at {}", status_->address()));
  return {};
}

Gauges Daemon::gauges() const {
  Gauges now;
  now.slots = options_.slots;
  now.running = dispatcher_->running();
  now.waiting = queue_->waiting();
  now.stopping = dispatcher_->stopping();
  now.paused = dispatcher_->paused();
  now.wakeups = loop_->wakeups();
  if (callbacks_ == nullptr) return now;
  const CallbackCounts& c = callbacks_->counts();
  now.callbacks = {{"delivered", c.delivered}, {"failed", c.failed}, {"given_up", c.given_up}};
  now.callbacks_owed = callbacks_->owed();
  return now;
}

StatusPage Daemon::page(std::string_view path) const {
  if (path == "/metrics")
    return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(dispatcher_->metrics(), gauges())};
  if (path != "/healthz") return {404, {}, "there are /metrics and /healthz\n"};
  const char* state = dispatcher_->stopping() ? "stopping" : dispatcher_->paused() ? "waiting for room" : "ok";
  return {state == std::string_view("ok") ? 200u : 503u, {}, std::string(state) + "\n"};
}

// A second signal does not wait for anything.
void Daemon::on_signal() {
  signalfd_siginfo info{};
  (void)!::read(signals_.get(), &info, sizeof info);
  manager_->notify("STOPPING=1");
  const auto grace = dispatcher_->stopping() ? std::chrono::milliseconds(0) : options_.grace;
  dispatcher_->stop(grace, [this, grace] {
    if (callbacks_ == nullptr) return loop_->stop();
    callbacks_->stop(grace, [this] { loop_->stop(); });
  });
}

Result<void> Daemon::run() {
  log(Level::info,
      fmt::format("ready: spool {}, {} slots, driver {}", options_.spool, options_.slots, options_.driver));
  manager_->notify("READY=1");
  manager_->begin_watchdog();
  TRY(loop_->run());
  if (outcome_) log(Level::info, "stopped");
  return outcome_;
}

Result<void> serve(const DaemonOptions& options) {
  if (options.check) return check(options);
  const auto daemon = TRY(Daemon::create(options));
  return daemon->run();
}

}  // namespace
}  // namespace milonga::runner

int main(int argc, char** argv) {
  using namespace milonga;
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
  if (options->check_config) {
    fmt::print("{}\n", options->config.empty() ? "there is no config: the options are right" : options->config + ": right");
    return 0;
  }
  if (auto served = serve(*options); !served) {
    write_line("milongad: " + served.error().line());
    return 1;
  }
  return 0;
}
