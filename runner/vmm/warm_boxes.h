// Boxes made ahead of their jobs. Students hand in the same lab one after the
// other: so beside each job that starts, one more box of the same kind is made,
// and waits. The next job that asks for exactly the same finds it ready; its box
// is as fresh as any, and was never used.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autodriver/warm_job.h"
#include "base/child.h"
#include "base/event_loop.h"

namespace milonga::runner {

struct WarmBox {
  Child autodriver;  // with --warm
  UniqueFd socket;   // over which it came; closing it ends the box
};

class WarmBoxes {
 public:
  // At most `most` wait at a time, each at most `idle`. `loop` must outlive this.
  WarmBoxes(EventLoop& loop, std::size_t most, std::chrono::milliseconds idle);
  ~WarmBoxes();  // returns when they are gone, or after some seconds
  WarmBoxes(const WarmBoxes&) = delete;
  WarmBoxes& operator=(const WarmBoxes&) = delete;

  // Gives the job to the box that was made with exactly this command line of autodriver, if one
  // waits and takes it; the box is the caller's from then on.
  std::optional<WarmBox> give(const std::vector<std::string>& argv, const WarmJob& job);

  // One more of this kind; if there are too many, the oldest goes, unless it is of the same kind.
  // A box that cannot be made is no failure of anybody's job: jobs start without one.
  void make(const std::vector<std::string>& argv);

  [[nodiscard]] std::size_t waiting() const { return spares_.size(); }

 private:
  struct Spare;
  void drop(Spare* spare);

  EventLoop& loop_;
  std::size_t most_;
  std::chrono::milliseconds idle_;
  std::list<std::unique_ptr<Spare>> spares_;  // the oldest first
  std::list<std::unique_ptr<Spare>> ending_;  // told to go, not yet reaped
};

}  // namespace milonga::runner
