#include "runner/vmm/warm_boxes.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

namespace milonga::runner {
namespace {

constexpr std::chrono::seconds kLongestEnd{5};  // of all that wait, when the daemon stops

}  // namespace

struct WarmBoxes::Spare {
  std::vector<std::string> argv;
  WarmBox box;
  EventLoop::TimerId expiry = 0;
};

WarmBoxes::WarmBoxes(EventLoop& loop, std::size_t most, std::chrono::milliseconds idle)
    : loop_(loop), most_(most), idle_(idle) {}

WarmBoxes::~WarmBoxes() {
  while (!spares_.empty()) drop(spares_.front().get());
  const auto until = std::chrono::steady_clock::now() + kLongestEnd;
  for (auto& spare : ending_) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd end{spare->box.autodriver.pidfd(), POLLIN, 0};
    loop_.forget(end.fd);
    if (::poll(&end, 1, static_cast<int>(std::max<std::int64_t>(0, left.count()))) > 0)
      (void)spare->box.autodriver.reap();
  }
}

std::optional<WarmBox> WarmBoxes::give(const std::vector<std::string>& argv, const WarmJob& job) {
  const auto found =
      std::find_if(spares_.begin(), spares_.end(), [&](const auto& spare) { return spare->argv == argv; });
  if (found == spares_.end()) return std::nullopt;
  if (!send_warm_job((*found)->box.socket.get(), job)) {
    drop(found->get());  // it has ended and was not yet reaped
    return std::nullopt;
  }
  loop_.forget((*found)->box.autodriver.pidfd());
  loop_.cancel((*found)->expiry);
  std::optional<WarmBox> box = std::move((*found)->box);
  spares_.erase(found);
  return box;
}

void WarmBoxes::make(const std::vector<std::string>& argv) {
  if (most_ == 0) return;
  if (spares_.size() >= most_) {
    if (spares_.front()->argv == argv) return;
    drop(spares_.front().get());
  }
  auto sockets = make_warm_sockets();
  const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!sockets || !nowhere.valid()) return;
  auto spare = std::make_unique<Spare>();
  spare->argv = argv;
  spare->box.socket = std::move(sockets->ours);
  ChildPlan plan{argv, {{sockets->theirs.get(), 0}, {nowhere.get(), 1}, {nowhere.get(), 2}}};
  auto child = Child::spawn(plan);
  if (!child) return;
  spare->box.autodriver = std::move(*child);
  Spare* waiting = spare.get();
  const auto gone = [this, waiting] {
    const auto is_it = [waiting](const auto& one) { return one.get() == waiting; };
    loop_.forget(waiting->box.autodriver.pidfd());
    loop_.cancel(waiting->expiry);
    (void)waiting->box.autodriver.reap();
    if (spares_.remove_if(is_it) == 0) ending_.remove_if(is_it);
  };
  if (!loop_.when_readable(waiting->box.autodriver.pidfd(), gone)) {
    waiting->box.autodriver.signal(SIGKILL);
    (void)waiting->box.autodriver.reap();
    return;
  }
  waiting->expiry = loop_.after(idle_, [this, waiting] { drop(waiting); });
  spares_.push_back(std::move(spare));
}

// Its socket's end tells it to go; it is reaped when it has.
void WarmBoxes::drop(Spare* spare) {
  loop_.cancel(spare->expiry);
  spare->box.socket.reset();
  const auto found =
      std::find_if(spares_.begin(), spares_.end(), [spare](const auto& one) { return one.get() == spare; });
  if (found != spares_.end()) ending_.splice(ending_.end(), spares_, found);
}

}  // namespace milonga::runner
