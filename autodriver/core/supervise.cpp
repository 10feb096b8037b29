#include "autodriver/core/supervise.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>

#include "base/core/clock.h"

namespace milonga::core {
namespace {

constexpr std::uint64_t kShortestCpuWait = 2'000'000;  // ns: how late a CPU limit may be noticed
constexpr int kDeathMs = 30'000;  // how long a killed box may take: its memory has to be given back

class Watch {
 public:
  Watch(Watched& box, Response& response) : box_(box), response_(response) {}
  Fail until_dead();

 private:
  enum Event : std::size_t { kInit, kStatus, kControl, kWall, kCpu, kOom, kForks, kEvents };

  Fail open_timers();
  void on_status();
  void on_ready(const BoxMessage& m);
  void on_filtered(const BoxMessage& m);
  void on_ended(const BoxMessage& m);
  void on_control();
  void on_cpu_timer();
  void on_oom();
  [[nodiscard]] bool forks_were_fatal() const;
  // The command has ended, or we have ended it.
  [[nodiscard]] bool is_over() const { return decided_ || broken_ || response_.wait_status_known != 0; }
  void arm(int timer, std::uint64_t at_ns);
  void stop(Verdict why);
  void break_off(const Fail& fail);
  void finish_verdict();

  Watched& box_;
  Response& response_;
  pollfd events_[kEvents] = {};
  UniqueFd wall_, cpu_;
  bool decided_ = false;       // a limit or a cancel has ended the run
  Fail inside_;                // set-up failed inside the box
  Fail broken_;                // we failed, or a mechanism did: the run is not judged
  char inside_what_[sizeof(BoxMessage::what)] = {};
};

// A timer that does not read back as it was armed would be a limit that nobody enforces.
void Watch::arm(int timer, std::uint64_t at_ns) {
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(at_ns / kSecond);
  when.it_value.tv_nsec = static_cast<long>(at_ns % kSecond);
  const std::uint64_t before = now_ns();
  if (::timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, nullptr) != 0 || ::timerfd_gettime(timer, &when) != 0)
    return break_off(failed(Step::rlimits, "cannot arm a timer"));
  const std::uint64_t after = now_ns();  // what is left was true between the two
  const std::uint64_t left = static_cast<std::uint64_t>(when.it_value.tv_sec) * kSecond +
                             static_cast<std::uint64_t>(when.it_value.tv_nsec);
  const bool in_force = left == 0 ? after >= at_ns : before + left <= at_ns && after + left >= at_ns;
  if (!in_force) break_off(refused(Step::rlimits, "a timer does not read back as it was armed"));
}

void Watch::break_off(const Fail& fail) {
  if (!broken_) broken_ = fail;
  end_box(box_);
}

// Kills the box for this reason, unless another came first or the command has ended by itself.
void Watch::stop(Verdict why) {
  if (is_over()) return;
  decided_ = true;
  // cgroup v1 does not tell when a fork is refused, so it is asked at every other event.
  response_.verdict = why != Verdict::cancelled && forks_were_fatal() ? Verdict::process_limit : why;
  response_.detected_ns = now_ns();
  end_box(box_);
  response_.kill_sent_ns = now_ns();
  response_.kill_signal = SIGKILL;
}

Fail Watch::open_timers() {
  wall_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  cpu_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  return wall_.valid() && cpu_.valid() ? fine() : failed(Step::spawn, "cannot create a timer");
}

void Watch::on_ready(const BoxMessage& m) {
  response_.started_ns = m.at_ns;
  box_.setup_cpu_ns = m.setup_cpu_ns;
  for (std::size_t i = 0; i < kStepCount; ++i) response_.step_ns[i] += m.step_ns[i];
  response_.inside = m.inside;
  const auto read_back = [&](Demand d, std::uint64_t value) {
    Evidence& e = response_.evidence[static_cast<std::size_t>(d)];
    e.read_back = value;
    e.known |= Evidence::kReadBack;
  };
  const auto rlimit = [&](int resource) { return m.inside.rlimits[resource].soft; };  // the table is in their order
  const auto is_by = [&](Demand d, Mechanism by) { return response_.evidence[static_cast<std::size_t>(d)].mechanism == by; };
  const bool is_file_size = box_.request->limits[LimitId::file_size] != 0;
  read_back(Demand::open_files, rlimit(RLIMIT_NOFILE));
  if (is_file_size) read_back(Demand::file_size, rlimit(RLIMIT_FSIZE));
  if (!is_file_size && is_by(Demand::disk, Mechanism::rlimit_fsize_each)) read_back(Demand::disk, rlimit(RLIMIT_FSIZE));
  if (is_by(Demand::memory, Mechanism::rlimit_data)) read_back(Demand::memory, rlimit(RLIMIT_DATA));
  if (is_by(Demand::processes, Mechanism::rlimit_nproc)) read_back(Demand::processes, rlimit(RLIMIT_NPROC));
  read_back(Demand::privilege, 1);  // job.cpp has looked
  if (response_.kind != BoxKind::container)
    for (const Demand d : {Demand::filesystem, Demand::visibility, Demand::network})
      if (d != Demand::network || (box_.request->flags & kHostNetwork) == 0) read_back(d, 1);
  if (const std::uint64_t wall = box_.request->limits[LimitId::wall]; wall != 0) {
    arm(wall_.get(), response_.deadline_ns = m.at_ns + wall);
    read_back(Demand::wall, wall);  // or arm() has broken off
  }
  if (box_.request->limits[LimitId::cpu] != 0 && box_.cgroup->cpu_ns().ok) on_cpu_timer();
}

void Watch::on_filtered(const BoxMessage& m) {
  response_.inside = m.inside;
  response_.step_ns[static_cast<std::size_t>(Step::filter)] = m.step_ns[static_cast<std::size_t>(Step::filter)];
  Evidence& e = response_.evidence[static_cast<std::size_t>(Demand::syscalls)];
  if (m.inside.seccomp_mode != SECCOMP_MODE_FILTER) return;
  e.read_back = 1;
  e.known |= Evidence::kReadBack;
}

void Watch::on_status() {
  BoxMessage m;
  const ssize_t n = ::read(box_.status, &m, sizeof m);
  if (n != static_cast<ssize_t>(sizeof m)) {
    events_[kStatus].fd = -1;  // end of file: init is gone or going
    if (n != 0) break_off(failed(Step::run, "cannot hear what the box says"));  // e.g. that limits have to be armed
    return;
  }
  if (m.event == BoxEvent::ready) on_ready(m);
  if (m.traced_cpu_ns != 0) box_.traced_cpu_ns = m.traced_cpu_ns;
  if (m.event == BoxEvent::cpu_limit) stop(Verdict::cpu_limit);
  if (m.event == BoxEvent::ended) on_ended(m);
  if (m.event == BoxEvent::filtered) on_filtered(m);
  if (m.event == BoxEvent::failed && !inside_) {
    std::memcpy(inside_what_, m.what, sizeof inside_what_ - 1);
    inside_ = {inside_what_, m.step, m.error};
  }
}

// The command's end and a timer's can be seen in one round: the earlier one, by the clock, counts.
void Watch::on_ended(const BoxMessage& m) {
  if (response_.started_ns == 0) return;  // it was still ours, and has failed
  if (response_.deadline_ns != 0 && m.at_ns >= response_.deadline_ns) stop(Verdict::wall_limit);
  if (decided_) return;
  response_.ended_ns = m.at_ns;
  response_.wait_status = m.wait_status;
  response_.wait_status_known = 1;
}

void Watch::on_control() {
  char byte = 0;
  const ssize_t n = ::recv(kFdControl, &byte, 1, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  stop(Verdict::cancelled);  // asked for, or the owner is gone: then nobody reads the verdict
  events_[kControl].fd = -1;
}

// Not a poll: with `left` = limit - used ns of CPU to go and n CPUs, the limit cannot be reached
// sooner than left / n from now; so we sleep until then and look again.
void Watch::on_cpu_timer() {
  const std::uint64_t limit = box_.request->limits[LimitId::cpu] + box_.setup_cpu_ns;
  const BoxCgroup::Number used = box_.cgroup->cpu_ns();
  if (!used.ok) return break_off(failed(Step::run, "cannot read the CPU time of the box"));
  if (used.value >= limit || forks_were_fatal()) return stop(Verdict::cpu_limit);
  static const auto cpus = static_cast<std::uint64_t>(::sysconf(_SC_NPROCESSORS_CONF));
  const std::uint64_t wait = (limit - used.value) / (cpus == 0 ? 1 : cpus);
  arm(cpu_.get(), now_ns() + (wait < kShortestCpuWait ? kShortestCpuWait : wait));
}

void Watch::on_oom() {
  // v1 tells when the group is out of memory, just before the kill. v2 tells of
  // any change of memory.events, of which only a kill is the end. Both tell also
  // when it is the host, or a group above ours, that has no memory left.
  if (!box_.cgroup->memory_ran_out()) return;
  const bool killed = box_.cgroup->oom_kills().value > 0;
  if (!killed) box_.cgroup->split_memory(response_.usage.at_limit);  // afterwards it is another's
  if (killed || box_.cgroup->oom_event_is_final()) stop(Verdict::memory_limit);
}

bool Watch::forks_were_fatal() const {
  return (box_.request->flags & kProcessLimitFatal) != 0 && box_.cgroup->forks_refused().value > 0;
}

// Nothing ended the run: then it is the command's own end that counts.
void Watch::finish_verdict() {
  if (decided_) return;
  const BoxCgroup::Number kills = box_.cgroup->oom_kills();
  // Else a kill for memory would pass for one of the job's own.
  if (!kills.ok && box_.cgroup->oom_event() >= 0) return break_off(failed(Step::run, "cannot read how often memory ran out"));
  if (kills.ok && kills.value > 0 && !box_.cgroup->memory_ran_out())
    return break_off(refused(Step::run, "the host ran out of memory and killed a process of the box"));
  if (kills.ok && kills.value > 0) {
    response_.verdict = Verdict::memory_limit;
    response_.detected_ns = response_.ended_ns;
    return;
  }
  if (forks_were_fatal()) {
    response_.verdict = Verdict::process_limit;
    response_.detected_ns = response_.ended_ns;
    return;
  }
  const std::uint64_t cpu_limit = box_.request->limits[LimitId::cpu];
  const std::uint64_t cpu = box_.traced_cpu_ns != 0 ? box_.traced_cpu_ns : box_.cgroup->cpu_ns().value;
  if (cpu_limit != 0 && cpu >= cpu_limit + box_.setup_cpu_ns) {
    response_.verdict = Verdict::cpu_limit;
    response_.detected_ns = response_.ended_ns;
    return;
  }
  if (response_.wait_status_known == 0) return;  // internal_error, as it stood
  const int status = response_.wait_status;
  if (WIFSIGNALED(status)) response_.verdict = Verdict::signaled;
  else response_.verdict = WEXITSTATUS(status) == 0 ? Verdict::ok : Verdict::failed;
}

Fail Watch::until_dead() {
  MUST(open_timers());
  const bool forks_fatal = (box_.request->flags & kProcessLimitFatal) != 0;
  events_[kInit] = {box_.init, POLLIN, 0};
  events_[kStatus] = {box_.status, POLLIN, 0};
  events_[kControl] = {kFdControl, POLLIN, 0};
  events_[kWall] = {wall_.get(), POLLIN, 0};
  events_[kCpu] = {cpu_.get(), POLLIN, 0};
  events_[kOom] = {box_.cgroup->oom_event(), POLLIN | POLLPRI, 0};
  events_[kForks] = {forks_fatal ? box_.cgroup->fork_refused_event() : -1, POLLPRI, 0};
  for (bool dead = false; !dead;) {
    const int ready = ::poll(events_, kEvents, is_over() ? kDeathMs : -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return failed(Step::run, "cannot wait for the box");
    if (ready == 0) return failed(Step::reap, "the box does not die");
    if (events_[kStatus].revents != 0) on_status();
    box_.cgroup->rearm(events_[kOom].revents != 0, events_[kForks].revents != 0);
    if (events_[kOom].revents != 0) on_oom();
    if (events_[kForks].revents != 0 && forks_were_fatal()) stop(Verdict::process_limit);
    if (events_[kWall].revents != 0) stop(Verdict::wall_limit);
    if (events_[kCpu].revents != 0) on_cpu_timer();
    if (events_[kControl].revents != 0) on_control();
    dead = events_[kInit].revents != 0;
    if (is_over())  // one cause is enough, and a level-triggered event would spin
      for (const Event e : {kWall, kCpu, kOom, kForks}) events_[e].fd = -1;
  }
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(box_.init), &info, WEXITED) != 0)
    return failed(Step::reap, "cannot reap the box's init");
  response_.dead_ns = now_ns();
  while (events_[kStatus].fd >= 0) on_status();  // what it wrote before it died
  finish_verdict();
  if (broken_) return broken_;
  if (inside_ && !decided_) {
    std::memcpy(response_.failed_what, inside_what_, sizeof inside_what_);
    inside_.what = response_.failed_what;
    return inside_;
  }
  return fine();
}

}  // namespace

Fail supervise(Watched& box, Response& response) {
  const Fail fail = Watch(box, response).until_dead();
  if (fail) end_box(box);
  return fail;
}

// Two ways, each of which is enough: that one of them fails must not keep a box alive.
void end_box(const Watched& box) {
  (void)::syscall(SYS_pidfd_send_signal, box.init, SIGKILL, nullptr, 0);  // ESRCH: it has just died
  box.cgroup->kill();
}

}  // namespace milonga::core
