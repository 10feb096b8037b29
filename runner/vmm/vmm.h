// The lifecycle's interface to a platform: one driver per file in this folder,
// one line per driver in drivers.cpp, one conformance suite for all
// (tests/runner/vmm_contract_test.cpp).
//
// A "VM" is what a job runs in: a box, a container, a machine. Each verb is
// asynchronous: it returns at once and calls `done` exactly once, from the event
// loop, with the result, or with an Error whose text starts with "deadline" when
// the time given has passed (the driver has then stopped the work), or
// "cancelled" after cancel(). An Error with code ENOSPC or EDQUOT says that a disk of
// ours is full, with EHOSTDOWN that no host of the platform answers: the attempt is
// not counted. No verb blocks the loop for long.
//
// Privilege: none.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "queue/queue.h"

namespace milonga::runner {

using Deadline = std::chrono::milliseconds;  // from now; must be > 0
template <class T>
using Done = std::function<void(Result<T>)>;

struct RunOutcome {
  std::string report_json;    // autodriver's report
  int autodriver_status = 0;  // 0 ran, 1 usage, 2 time limit, 3 refused or OS error (Tango's codes)
};

// Opaque to the lifecycle; the driver's own.
class Vm {
 public:
  virtual ~Vm() = default;
  [[nodiscard]] virtual std::string instance_name() const = 0;  // PREFIX-ID-IMAGE, for traces and labels
};

class Vmm {
 public:
  virtual ~Vmm() = default;

  virtual void initialize(const std::string& image, Deadline deadline, Done<std::shared_ptr<Vm>> done) = 0;
  virtual void wait(std::shared_ptr<Vm> vm, Deadline deadline, Done<void> done) = 0;
  // Brings the claim's input files into the VM.
  virtual void copy_in(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline deadline,
                       Done<void> done) = 0;
  // Runs the job; its output is seen in <claim.work_dir>/output while it runs where the driver can.
  // Options that do not exist are an outcome, `refused`: another attempt would not go better.
  virtual void run_job(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline deadline,
                       Done<RunOutcome> done) = 0;
  // Leaves the whole output in <claim.work_dir>/output.
  virtual void copy_out(std::shared_ptr<Vm> vm, const queue::Claim& claim, Deadline deadline,
                        Done<void> done) = 0;
  // Always possible, in every state; nothing of the VM is left afterwards.
  virtual void destroy(std::shared_ptr<Vm> vm, Deadline deadline, Done<void> done) = 0;
  // Stops a verb under way on this VM; its `done` is called with "cancelled".
  virtual void cancel(const std::shared_ptr<Vm>& vm) = 0;

  // Names of all instances with our prefix that exist now, ours and leftovers.
  virtual void list(Deadline deadline, Done<std::vector<std::string>> done) = 0;
  virtual void exists(const std::string& instance_name, Deadline deadline, Done<bool> done) = 0;
  virtual void images(Deadline deadline, Done<std::vector<std::string>> done) = 0;
  // The output so far, at most `limit` bytes from `offset`.
  virtual void partial_output(std::shared_ptr<Vm> vm, std::uint64_t offset, std::size_t limit,
                              Deadline deadline, Done<std::string> done) = 0;
};

}  // namespace milonga::runner
