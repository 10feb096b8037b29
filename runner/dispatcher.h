// Takes jobs from the queue while there are free slots, and walks each through
// its lifecycle (lifecycle.h) with a deadline per stage. All in one event loop.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>

#include "base/event_loop.h"
#include "queue/queue.h"
#include "runner/lifecycle.h"
#include "runner/metrics.h"
#include "runner/vmm/vmm.h"

namespace milonga::runner {

struct DispatchOptions {
  std::size_t slots = 1;
  std::chrono::seconds default_wall{600};            // of jobs without a wall limit; the driver sets it
  std::chrono::milliseconds stage_deadline{60'000};  // of every stage but run and the copies
  std::chrono::milliseconds copy_deadline{120'000};
  std::chrono::milliseconds run_margin{60'000};      // beyond the job's wall limit
  std::chrono::milliseconds full_disk_pause{5'000};  // before what did not fit is tried again
  std::chrono::milliseconds first_retry{1'000};      // then eight times as long, at most five minutes
};

class Dispatcher {
 public:
  // `on_fatal` is called when the queue failed in a way that only a restart mends (an I/O error).
  Dispatcher(EventLoop& loop, queue::Queue& queue, Vmm& vmm, DispatchOptions options,
             std::function<void(const Error&)> on_fatal);
  ~Dispatcher();

  // Call at start and whenever the queue has news: acts on cancels, fills free slots.
  void on_news();

  // Claims nothing more; calls `drained` when no job is running. What still runs
  // after `grace` is broken off and given back to the queue.
  void stop(std::chrono::milliseconds grace, std::function<void()> drained);

  [[nodiscard]] std::size_t running() const { return works_.size(); }
  [[nodiscard]] bool stopping() const { return stopping_; }
  // The queue wants for something: nothing is claimed for now.
  [[nodiscard]] bool paused() const { return paused_; }
  [[nodiscard]] const JobMetrics& metrics() const { return metrics_; }

 private:
  struct Work;
  using WorkPtr = std::shared_ptr<Work>;

  static std::string result_of(const Work& work);
  void fill_slots();
  void on_trouble(const Error& error);
  void enter(const WorkPtr& work, Stage stage);
  void call(const WorkPtr& work, Stage stage);
  void on_event(const WorkPtr& work, Stage stage, Event event, const std::string& why);
  void interrupt(const WorkPtr& work, Event event, const std::string& why);
  void finish(const WorkPtr& work);
  Result<void> settle(const WorkPtr& work);
  Result<void> commit(const WorkPtr& work);
  void trace(Work& work, const std::string& text);
  void say(const Work& work, const std::string& text) const;
  [[nodiscard]] std::chrono::milliseconds deadline_of(const Work& work, Stage stage) const;

  EventLoop& loop_;
  queue::Queue& queue_;
  Vmm& vmm_;
  DispatchOptions options_;
  std::function<void(const Error&)> on_fatal_;
  std::map<queue::JobId, WorkPtr> works_;
  JobMetrics metrics_;
  bool stopping_ = false;
  bool paused_ = false;  // no claims: the queue said that something is wanting
  std::function<void()> drained_;
};

}  // namespace milonga::runner
