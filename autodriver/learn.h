// autodriver learn: runs a command outside of any box, as the caller, under
// ptrace(2), and says what of it the system call policy would have refused. For
// people who decide about the policy; never a part of a run that is graded: a
// traced program is slow, sees its tracer, and nothing holds it.
//
// Privilege: none.
#pragma once

#include <string>
#include <vector>

namespace milonga {

// The words after `learn`. Exit status: 0 nothing would have been refused, but for
// calls that libraries do without; 1 something would; 3 it could not be run; 64 wrong usage.
int learn(const std::vector<std::string>& words);
std::string learn_help();

}  // namespace milonga
