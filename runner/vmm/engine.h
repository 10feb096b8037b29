// One Docker Engine as the driver uses it: who it is, whether it can be used now,
// and what it still has of ours that nobody needs.
//
// An Engine is asked who it is before its first use, and again after a call to it
// came to nothing. Then all containers with our spool's label are removed that no
// job of this daemon is in: what a killed daemon left, and what could not be removed.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "runner/vmm/engine_api.h"

namespace milonga::runner {

struct EngineSetting {
  std::string name;    // for people
  std::string socket;  // path
  std::string owner;   // our spool's label
  int weight = 1;      // its share of the jobs, beside others'
};

class Engine {
 public:
  // `living`: the instances that are in use. All references must outlive it.
  Engine(EventLoop& loop, HttpClient& client, EngineSetting setting, const std::set<std::string>& living);
  virtual ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] const std::string& name() const { return setting_.name; }
  [[nodiscard]] std::string title() const { return "Docker " + facts_.version; }
  [[nodiscard]] int weight() const { return setting_.weight; }
  [[nodiscard]] EngineApi& api() { return api_; }
  [[nodiscard]] const std::string& owner() const { return setting_.owner; }

  // Calls back, from the loop, when it can be used, or with the reason why not.
  void prepare(Deadline deadline, Done<void> done);

  // A call came to nothing, or something of ours may be left: it is asked again before its next
  // use, and by itself after a while, then after ever longer whiles, until it answers.
  void doubt();
  // Not to be asked for a new job before it has answered again.
  [[nodiscard]] bool is_down() const { return failures_ > 0 || doubted_; }

 protected:
  // What must be there before the socket is; at once by default.
  virtual void open(Deadline deadline, Done<void> done);
  EventLoop& loop() { return loop_; }
  [[nodiscard]] const EngineSetting& setting() const { return setting_; }

 private:
  void ask(Deadline deadline);
  void check_limits(Deadline deadline);
  void remove_leftovers(Deadline deadline);
  void answer(Result<void> result);
  void ask_later();

  EventLoop& loop_;
  EngineApi api_;
  EngineSetting setting_;
  const std::set<std::string>& living_;
  EngineFacts facts_;
  bool ready_ = false, doubted_ = false;
  int failures_ = 0;  // in a row
  EventLoop::TimerId again_ = 0;
  std::vector<Done<void>> waiting_;  // for the asking under way
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace milonga::runner
