// One verb of an exec driver on its way: the process, its input, what it writes,
// its deadline.
//
// Privilege: none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/child.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "runner/vmm/vmm.h"

namespace milonga::runner {

struct VerbPlan {
  std::string helper, program;
  std::vector<std::string> environment;  // all of it
  std::string input;                     // on its standard input
  int output = -1;                       // descriptor for its standard output; -1: it is kept for the answer
  int lock = -1;                         // a descriptor that every process of it holds open
  Deadline deadline{60'000};
};

struct VerbEnd {
  int status = 0;      // exit status; 128 + N for signal N
  std::string output;  // if it was kept
  std::string said;    // the end of its standard error, in one line
};

class Verb {
 public:
  // Calls `done` once, from the loop: with the end, or an Error that begins with "deadline" or "cancelled",
  // or says that it wrote more than anybody asked for. Nothing of it is alive then.
  static Result<std::shared_ptr<Verb>> start(EventLoop& loop, const VerbPlan& plan, Done<VerbEnd> done);
  ~Verb();  // asks it to end; `done` is not called
  Verb(const Verb&) = delete;
  Verb& operator=(const Verb&) = delete;

  // Ends it; the Error is this text. A second time: nothing.
  void stop(const std::string& why);

 private:
  Verb(EventLoop& loop, Done<VerbEnd> done) : loop_(loop), done_(std::move(done)) {}
  Result<void> watch(Deadline deadline);
  bool read(UniqueFd& from, std::string& to, bool keep_all);
  void on_end();

  EventLoop& loop_;
  Done<VerbEnd> done_;
  Child child_;
  UniqueFd output_, errors_;  // ends to read from
  VerbEnd end_;
  EventLoop::TimerId timer_ = 0;
  std::string stopped_because_;  // empty: it ends by itself
};

}  // namespace milonga::runner
