// How privileged code says that a step failed: a small value, handed up to the
// one place that answers and ends (autodriver/core/main.cpp). No exceptions, no
// allocation; the text is a literal.
//
// Privilege: any.
#pragma once

#include <cerrno>

#include "sandbox/model/response.h"

namespace milonga::core {

struct [[nodiscard]] Fail {
  const char* what = nullptr;  // a literal: "cannot create the cgroup of the box"; nullptr = it worked
  Step step = Step::start;
  int error = 0;               // errno, or 0 where no system call failed

  explicit operator bool() const { return what != nullptr; }
};

inline Fail fine() { return {}; }
inline Fail failed(Step step, const char* what, int error = errno) { return {what, step, error}; }
inline Fail refused(Step step, const char* what) { return {what, step, 0}; }

}  // namespace milonga::core

// Hands a failure up at once.
#define MUST(expr)                                                 \
  do {                                                             \
    if (::milonga::core::Fail fail_ = (expr); fail_) return fail_; \
  } while (false)
