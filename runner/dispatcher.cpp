#include "runner/dispatcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "autodriver/report_view.h"
#include "base/log.h"
#include "runner/feedback.h"
#include "runner/vmm/job_box.h"

namespace milonga::runner {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kLongestRetry{5 * 60'000};

bool is_full_disk(const Error& error) {
  return error.code == ENOSPC || error.code == EDQUOT;
}

// No fault of the job's, nor of this attempt: there was nothing to make it on.
bool must_wait(const Error& error) {
  return is_full_disk(error) || error.code == EHOSTDOWN;
}

// Want of something that others may give back: the daemon waits instead of ending.
bool may_pass(const Error& error) {
  return is_full_disk(error) || error.code == EMFILE || error.code == ENFILE || error.code == ENOMEM;
}

std::int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

// One claimed job on its way. Shared with the callbacks of the driver's verbs.
struct Dispatcher::Work {
  queue::Claim claim;
  std::shared_ptr<Vm> vm;
  Stage stage = Stage::initialize;
  Ending ending = Ending::commit;
  std::string why;                  // of an ending that is not commit
  Event interrupted = Event::done;  // cancelled or stopping, asked for while a verb was under way
  RunOutcome outcome;
  ReportView report;  // outcome's, read
  std::int64_t received_ms = 0;
  Clock::time_point stage_began;
  boost::json::object seconds;  // stage -> time
  boost::json::array trace;
};

// What became of this attempt, in one word.
std::string Dispatcher::result_of(const Work& work) {
  constexpr const char* kWords[] = {"", "retried", "waits_for_room", "cancelled", "given_back"};
  return work.ending == Ending::commit ? verdict_name(work.report.verdict) : kWords[static_cast<std::size_t>(work.ending)];
}

Dispatcher::Dispatcher(EventLoop& loop, queue::Queue& queue, Vmm& vmm, DispatchOptions options,
                       std::function<void(const Error&)> on_fatal)
    : loop_(loop), queue_(queue), vmm_(vmm), options_(options), on_fatal_(std::move(on_fatal)) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::say(const Work& work, const std::string& text) const {
  log(Level::info, fmt::format("job={} attempt={} {}", work.claim.job.id, work.claim.attempt, text));
}

void Dispatcher::trace(Work& work, const std::string& text) {
  work.trace.push_back({{"at_ms", unix_ms()}, {"text", text}});
  say(work, text);
}

void Dispatcher::on_news() {
  const auto cancelled = queue_.take_changes();
  for (const std::string& note : queue_.take_notes()) log(Level::warning, note);
  if (!cancelled) return on_trouble(cancelled.error());
  for (const queue::JobId id : *cancelled)
    if (const auto found = works_.find(id); found != works_.end())
      interrupt(found->second, Event::cancelled, "cancelled");
  fill_slots();
}

// Nothing is lost by waiting: what was not taken still stands in the queue.
void Dispatcher::on_trouble(const Error& error) {
  if (!may_pass(error) && error.code != EIO) return on_fatal_(error);  // EIO: one file's bad block is no reason to stop
  if (paused_) return;
  log(Level::warning, fmt::format("{}; the queue is looked at again in {} s", error.line(),
                                  std::chrono::duration<double>(options_.full_disk_pause).count()));
  paused_ = true;
  loop_.after(options_.full_disk_pause, [this] {
    paused_ = false;
    on_news();
  });
}

void Dispatcher::fill_slots() {
  std::vector<WorkPtr> fresh;
  while (!stopping_ && !paused_ && works_.size() < options_.slots) {
    auto claim = queue_.claim();
    for (const std::string& note : queue_.take_notes()) log(Level::warning, note);
    if (!claim) on_trouble(claim.error());
    if (!claim || !*claim) break;  // what was claimed before must go on
    auto work = std::make_shared<Work>();
    work->claim = std::move(**claim);
    work->received_ms = unix_ms();
    works_[work->claim.job.id] = work;
    fresh.push_back(work);
  }
  if (fresh.empty()) return;
  // One flush for all, before anything of theirs runs.
  if (auto durable = queue_.make_claims_durable(); !durable) return on_fatal_(durable.error());
  for (const WorkPtr& work : fresh) {
    trace(*work, fmt::format("Dispatched job {}:{} [try {}]", work->claim.job.name, work->claim.job.id,
                             work->claim.attempt - 1));
    enter(work, Stage::initialize);
  }
}

void Dispatcher::enter(const WorkPtr& work, Stage stage) {
  work->stage = stage;
  work->stage_began = Clock::now();
  if (stage == Stage::ended) return finish(work);
  if (work->interrupted != Event::done && stage != Stage::destroy)
    return on_event(work, stage, work->interrupted, work->why);
  call(work, stage);
}

milliseconds Dispatcher::deadline_of(const Work& work, Stage stage) const {
  if (stage == Stage::copy_in || stage == Stage::copy_out) return options_.copy_deadline;
  if (stage != Stage::run) return options_.stage_deadline;
  const auto box = box_of(work.claim.job, "default", options_.default_wall);
  const milliseconds wall = box ? milliseconds(box->limits[LimitId::wall] / 1'000'000) : options_.default_wall;
  return wall + options_.run_margin;
}

void Dispatcher::call(const WorkPtr& work, Stage stage) {
  const milliseconds deadline = deadline_of(*work, stage);
  const auto answer = [this, work, stage](const Result<void>& result) {
    if (result) return on_event(work, stage, Event::done, {});
    on_event(work, stage, must_wait(result.error()) ? Event::no_room : Event::failed,
             result.error().line());
  };
  switch (stage) {
    case Stage::initialize:
      return vmm_.initialize(work->claim.job.image, deadline, [work, answer](Result<std::shared_ptr<Vm>> vm) {
        if (vm) work->vm = *vm;
        answer(vm ? Result<void>{} : Result<void>(Unexpected(vm.error())));
      });
    case Stage::wait:
      return vmm_.wait(work->vm, deadline, answer);
    case Stage::copy_in:
      return vmm_.copy_in(work->vm, work->claim, deadline, answer);
    case Stage::run:
      return vmm_.run_job(work->vm, work->claim, deadline, [work, answer](Result<RunOutcome> outcome) {
        if (!outcome) return answer(Unexpected(outcome.error()));
        auto report = parse_report(outcome->report_json);
        if (!report) return answer(fail("the driver's report is none: " + report.error().line()));
        work->outcome = std::move(*outcome);
        work->report = std::move(*report);
        answer({});
      });
    case Stage::copy_out:
      return vmm_.copy_out(work->vm, work->claim, deadline, answer);
    case Stage::destroy:
      return vmm_.destroy(work->vm, deadline, answer);
    case Stage::ended:
      return;
  }
}

void Dispatcher::on_event(const WorkPtr& work, Stage stage, Event event, const std::string& why) {
  const std::string job = fmt::format("{}:{}", work->claim.job.name, work->claim.job.id);
  const std::string vm = work->vm ? work->vm->instance_name() : std::string("none");
  const int status = event == Event::done ? 0 : -1;
  const double seconds = std::chrono::duration<double>(Clock::now() - work->stage_began).count();
  work->seconds[stage_name(stage)] = seconds;
  metrics_.stages[static_cast<std::size_t>(stage)].add(seconds);
  // The texts are Tango's (Autolab's job page shows them).
  switch (stage) {
    case Stage::initialize:
      trace(*work, fmt::format("Assigned job {} new VM {}", job, vm));
      break;
    case Stage::wait:
      trace(*work, fmt::format("Job {} waiting for VM {}", job, vm));
      if (event == Event::done) trace(*work, fmt::format("VM {} ready for job {}", vm, job));
      break;
    case Stage::copy_in:
      trace(*work, fmt::format("Input copied for job {} [status={}]", job, status));
      break;
    case Stage::run:
      trace(*work, fmt::format("Job {} executed [status={}]", job,
                               event == Event::done ? work->outcome.autodriver_status : -1));
      break;
    case Stage::copy_out:
      trace(*work, fmt::format("Output copied for job {} [status={}]", job, status));
      break;
    default:
      break;
  }
  const bool failed = event == Event::failed || event == Event::no_room;
  if (failed && work->interrupted != Event::done) event = work->interrupted;  // the failure is our own doing
  if (work->ending == Ending::commit && event != Event::done && stage != Stage::destroy) {
    if (work->why.empty()) work->why = fmt::format("{}: {}", stage_name(stage), why);
    if (event == Event::failed || event == Event::no_room) ++metrics_.stage_failures[static_cast<std::size_t>(stage)];
    if (event == Event::failed || event == Event::no_room)
      trace(*work, fmt::format("Job {} failed: {}", job, work->why));
  }
  work->ending = next_ending(work->ending, stage, event);
  enter(work, next_stage(stage, event));
}

// From outside: the verb under way is broken off, and its end is taken for this event.
void Dispatcher::interrupt(const WorkPtr& work, Event event, const std::string& why) {
  if (work->interrupted != Event::done) return;
  work->interrupted = event;
  work->why = why;
  say(*work, why);
  if (work->vm) vmm_.cancel(work->vm);
}

void Dispatcher::finish(const WorkPtr& work) {
  if (auto settled = settle(work); !settled) {
    if (!may_pass(settled.error())) return on_fatal_(settled.error());
    log(Level::warning,
        fmt::format("job={} its result waits for room: {}", work->claim.job.id, settled.error().line()));
    if (!stopping_) {
      loop_.after(options_.full_disk_pause, [this, work] { finish(work); });
      return;
    }
    say(*work, "left for the next daemon");  // whose recovery offers the job again
  }
  metrics_.attempts.add(static_cast<double>(unix_ms() - work->received_ms) / 1000);
  ++metrics_.ended[result_of(*work)];
  works_.erase(work->claim.job.id);
  if (stopping_ && works_.empty() && drained_) return loop_.post(std::exchange(drained_, nullptr));
  loop_.post([this] { fill_slots(); });
}

Result<void> Dispatcher::settle(const WorkPtr& work) {
  switch (work->ending) {
    case Ending::commit:
      return commit(work);
    case Ending::cancel: {
      queue::Completion end;
      end.outcome = queue::Outcome::cancelled;
      end.reason = "Error: cancelled while running";
      TRY(write_feedback(work->claim, end.reason, nullptr, {work->received_ms, unix_ms()}));
      end.feedback_name = "feedback";
      TRY(queue_.commit(work->claim, end));
      say(*work, "cancelled");
      return {};
    }
    case Ending::give_back:
      say(*work, "given back to the queue");
      return queue_.retry(work->claim, work->why, milliseconds(0), queue::Queue::Attempt::does_not_count);
    case Ending::wait_for_room:
      log(Level::warning, fmt::format("job={} attempt={} {}; tried again when there may be room",
                                      work->claim.job.id, work->claim.attempt, work->why));
      return queue_.retry(work->claim, "Error: " + work->why, options_.full_disk_pause,
                          queue::Queue::Attempt::does_not_count);
    case Ending::retry: {
      milliseconds delay = options_.first_retry;
      for (int i = 1; i < work->claim.attempt && delay < kLongestRetry; ++i) delay *= 8;
      log(Level::warning, fmt::format("job={} attempt={} {}; tried again unless that was the last time",
                                      work->claim.job.id, work->claim.attempt, work->why));
      // If it was the last time, this is its feedback: whoever waits for one gets one.
      TRY(write_feedback(work->claim, "Error: " + work->why, nullptr, {work->received_ms, unix_ms()}));
      return queue_.retry(work->claim, "Error: " + work->why, std::min(delay, kLongestRetry));
    }
  }
  return {};
}

Result<void> Dispatcher::commit(const WorkPtr& work) {
  queue::Completion end;
  end.reason = final_reason(work->report);
  trace(*work, end.reason);
  TRY(write_feedback(work->claim, end.reason, &work->report, {work->received_ms, unix_ms()}));
  end.feedback_name = "feedback";
  end.report_json = work->outcome.report_json;
  end.timing_json =
      boost::json::serialize(boost::json::object{{"seconds", work->seconds}, {"trace", work->trace}});
  const bool first = TRY(queue_.commit(work->claim, end));
  say(*work, first ? fmt::format("done: {}", verdict_name(work->report.verdict))
                   : "another result was first, and stands");
  return {};
}

void Dispatcher::stop(milliseconds grace, std::function<void()> drained) {
  stopping_ = true;
  drained_ = std::move(drained);
  if (works_.empty()) return loop_.post(std::exchange(drained_, nullptr));
  log(Level::info, fmt::format("stopping: {} jobs get {} s to end", works_.size(), grace.count() / 1000));
  loop_.after(grace, [this] {
    const auto works = works_;  // interrupting may end them
    for (const auto& [id, work] : works) interrupt(work, Event::stopping, "the daemon stops");
  });
}

}  // namespace milonga::runner
