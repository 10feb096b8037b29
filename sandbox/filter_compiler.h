// Compiles a profile (sandbox/policy/profiles.h) into the BPF program
// that the kernel runs for each system call of a job, by libseccomp. Used at
// build time only (filter_generator.cpp) and by the tests; what programs of ours
// link is the result (filters.h). See docs/decisions/0002.
//
// Privilege: none.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/result.h"
#include "sandbox/policy/profiles.h"

namespace milonga {

// Fails with libseccomp's error and the number of the call.
Result<std::vector<sock_filter>> compile_filter(const Profile& profile);

}  // namespace milonga
