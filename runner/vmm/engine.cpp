#include "runner/vmm/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace milonga::runner {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstAgain{1'000}, kLongestAgain{5 * 60'000};
constexpr milliseconds kAskDeadline{30'000};  // when nobody waits

}  // namespace

Engine::Engine(EventLoop& loop, HttpClient& client, EngineSetting setting,
               const std::set<std::string>& living)
    : loop_(loop), api_(client, setting.socket), setting_(std::move(setting)), living_(living) {}

Engine::~Engine() {
  *alive_ = false;
  loop_.cancel(again_);
}

void Engine::open(Deadline, Done<void> done) {
  loop_.post([done = std::move(done)] { done({}); });
}

void Engine::prepare(Deadline deadline, Done<void> done) {
  if (ready_) return loop_.post([done = std::move(done)] { done({}); });
  waiting_.push_back(std::move(done));
  if (waiting_.size() > 1) return;  // the first one's answer is everybody's
  loop_.cancel(std::exchange(again_, 0));
  open(deadline, [this, alive = alive_, deadline](Result<void> opened) {
    if (!*alive) return;
    if (!opened) return answer(opened);
    ask(deadline);
  });
}

void Engine::ask(Deadline deadline) {
  api_.facts(deadline, [this, alive = alive_, deadline](Result<EngineFacts> facts) {
    if (!*alive) return;
    if (!facts) return answer(Unexpected(facts.error()));
    facts_ = *facts;
    api_.speak(facts_.api);
    check_limits(deadline);
  });
}

// Promise 3: enforced or refused. An Engine that drops a limit says so in a warning only.
void Engine::check_limits(Deadline deadline) {
  api_.limits(deadline, [this, alive = alive_, deadline](Result<EngineLimits> can) {
    if (!*alive) return;
    if (!can) return answer(Unexpected(can.error()));
    std::string lacks;
    if (!can->memory) lacks += " memory";
    if (!can->swap) lacks += " swap";
    if (!can->processes) lacks += " processes";
    if (!can->cpus) lacks += " CPU";
    if (!lacks.empty())
      return answer(fail(fmt::format("Docker at {} cannot limit:{}", setting_.name, lacks),
                         "its kernel needs the memory, pids and cpu controllers, with swap accounting"));
    remove_leftovers(deadline);
  });
}

void Engine::remove_leftovers(Deadline deadline) {
  api_.list(setting_.owner, deadline,
            [this, alive = alive_, deadline](Result<std::vector<FoundContainer>> found) {
              if (!*alive) return;
              if (!found) return answer(Unexpected(found.error()));
              std::erase_if(*found, [this](const FoundContainer& c) { return living_.contains(c.instance); });
              if (found->empty()) return answer({});
              auto left = std::make_shared<std::size_t>(found->size());
              auto outcome = std::make_shared<Result<void>>();
              for (const FoundContainer& c : *found) {
                log(Level::info,
                    fmt::format("{}: removing {}, which nobody needs any more", setting_.name, c.instance));
                api_.remove(c.id, deadline, [this, alive, left, outcome](Result<void> removed) {
                  if (!*alive) return;
                  if (!removed) *outcome = removed;
                  if (--*left == 0) answer(*outcome);
                });
              }
            });
}

void Engine::answer(Result<void> result) {
  const bool was_down = failures_ > 0;
  ready_ = result.has_value();
  doubted_ = false;
  failures_ = ready_ ? 0 : failures_ + 1;
  if (!ready_ && !was_down)
    log(Level::warning, fmt::format("{} cannot be used: {}", setting_.name, result.error().line()));
  if (ready_ && was_down) log(Level::info, fmt::format("{} can be used again", setting_.name));
  if (!ready_) ask_later();
  for (const Done<void>& done : std::exchange(waiting_, {})) done(result);
}

void Engine::ask_later() {
  milliseconds delay = kFirstAgain;
  for (int i = 1; i < failures_ && delay < kLongestAgain; ++i) delay *= 2;
  loop_.cancel(again_);
  again_ = loop_.after(std::min(delay, kLongestAgain), [this] {
    again_ = 0;
    prepare(kAskDeadline, [](const Result<void>&) {});
  });
}

void Engine::doubt() {
  ready_ = false;
  doubted_ = true;
  if (waiting_.empty() && again_ == 0) ask_later();
}

}  // namespace milonga::runner
