#include "runner/vmm/container_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace milonga::runner {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kKillDeadline{3'000};
constexpr milliseconds kCallsOutlast{2'000};  // our own timer comes first: it says more
constexpr std::size_t kMostErrors = 1 << 20;  // bytes of autodriver's standard error: the report is some KiB

}  // namespace

ContainerRun::ContainerRun(EventLoop& loop, Plan plan, Done<RunOutcome> done)
    : loop_(loop), plan_(std::move(plan)), done_(std::move(done)) {}

void ContainerRun::begin() {
  output_.reset(::open(plan_.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!output_.valid()) {
    const Error error = fail_errno("write to", plan_.output).value();
    return loop_.post([self = shared_from_this(), error] { self->end(Unexpected(error)); });
  }
  timer_ = loop_.after(plan_.deadline, [self = shared_from_this()] {
    self->timer_ = 0;
    self->stop(fmt::format("deadline of {} s passed", self->plan_.deadline.count() / 1000));
  });
  attach();
}

Result<void> ContainerRun::take(RawStream::Channel channel, std::string_view piece) {
  if (channel == RawStream::Channel::errors) {
    errors_ += piece;
    if (errors_.size() > kMostErrors) errors_.erase(0, errors_.size() - kMostErrors);
    return {};
  }
  output_bytes_ += piece.size();
  while (!piece.empty()) {
    const ssize_t n = ::write(output_.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write", plan_.output);
    piece.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

void ContainerRun::attach() {
  const auto self = shared_from_this();
  const auto taken = [self] {
    self->loop_.post([self] {
      if (*self->plan_.alive && self->stopped_because_.empty() && !self->error_) self->start();
    });
  };
  const auto take = [self](RawStream::Channel channel, std::string_view piece) {
    return self->take(channel, piece);
  };
  calls_ = {
      plan_.engine->api().attach(plan_.container, take, taken, plan_.deadline + kCallsOutlast, call_ends())};
}

void ContainerRun::start() {
  started_ = true;
  calls_.push_back(plan_.engine->api().start(plan_.container, plan_.deadline + kCallsOutlast, call_ends()));
}

Done<void> ContainerRun::call_ends() {
  ++under_way_;
  return [self = shared_from_this()](const Result<void>& result) {
    if (*self->plan_.alive) self->call_ended(result);
  };
}

void ContainerRun::call_ended(const Result<void>& result) {
  --under_way_;
  if (!result && !error_) {
    error_ = result.error();
    for (const EngineApi::Id id : calls_) plan_.engine->api().cancel(id);
  }
  if (under_way_ > 0) return;
  if (error_ || !stopped_because_.empty()) return break_off();
  go_on();
}

// The stream has ended: so has the container, or it will in a moment.
void ContainerRun::go_on() {
  if (phase_ == Phase::wait) return inspect();
  phase_ = Phase::wait;
  calls_ = {plan_.engine->api().wait(plan_.container, plan_.deadline + kCallsOutlast, call_ends())};
}

void ContainerRun::inspect() {
  phase_ = Phase::inspect;
  const auto ended = call_ends();
  calls_ = {plan_.engine->api().inspect(
      plan_.container, plan_.deadline + kCallsOutlast,
      [self = shared_from_this(), ended](Result<ContainerState> state) {
        if (!*self->plan_.alive) return;
        if (!state) return ended(Unexpected(state.error()));
        const auto& plan = self->plan_;
        self->end(container_outcome({std::move(*state), plan.engine->title(), plan.box, plan.bounds,
                                     std::move(self->errors_), self->output_bytes_}));
      })};
}

void ContainerRun::stop(const std::string& why) {
  if (!stopped_because_.empty()) return;
  stopped_because_ = why;
  for (const EngineApi::Id id : calls_) plan_.engine->api().cancel(id);
}

void ContainerRun::break_off() {
  const Error error = stopped_because_.empty() ? *error_ : Error{stopped_because_, "", 0};
  const bool unreachable = error_ && error_->code == EHOSTDOWN;
  if (!started_ || unreachable) return end(Unexpected(error));
  plan_.engine->api().kill(
      plan_.container, kKillDeadline, [self = shared_from_this(), error](const Result<void>&) {
        if (*self->plan_.alive)
          self->end(Unexpected(error));  // destroy comes next, and tells if it does not go
      });
}

void ContainerRun::end(Result<RunOutcome> outcome) {
  loop_.cancel(timer_);
  output_.reset();
  calls_.clear();
  std::exchange(done_, nullptr)(std::move(outcome));
}

}  // namespace milonga::runner
