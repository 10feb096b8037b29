// What is copied into a container, as a tar that is made while it is sent:
// autodriver with its core, and the job's files out of the queue's store.
//
//   .milonga/                    0700 root: nothing of it is the job's
//   .milonga/autodriver, .milonga/autodriver-core
//   .milonga/input/<directory>/  the job's files, which autodriver hands into the box
//
// Each file of the job is copied out of the store, and its hash verified, before its
// first byte is sent; so at most one file of it lies on disk twice.
//
// Privilege: none.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "queue/queue.h"

namespace milonga::runner {

inline constexpr const char* kInjected = "/.milonga";  // in the container

// The program files of an image that does not have them.
struct Programs {
  std::string autodriver, core;  // contents
};

// autodriver and its core, which is beside it or in ../libexec/milonga. Fails if one cannot be read.
Result<std::shared_ptr<const Programs>> read_programs(const std::string& autodriver);

class JobTar {
 public:
  // `queue` and `programs` must outlive it. Temporary files are made, without a name, in the claim's work
  // directory.
  static Result<std::unique_ptr<JobTar>> create(queue::Queue& queue, const queue::Claim& claim,
                                                std::shared_ptr<const Programs> programs);
  ~JobTar();

  // Fills at most `size` bytes; 0 at the end. Fails if an input cannot be read or is not what was submitted.
  Result<std::size_t> read(char* to, std::size_t size);

 private:
  JobTar();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace milonga::runner
