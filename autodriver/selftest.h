// autodriver selftest: lets a program loose in a box for each demand, and holds
// what became of it against what the report says and what is promised.
//
// Privilege: none; autodriver-core does what needs some.
#pragma once

#include <string>
#include <vector>

namespace milonga {

// The words after `selftest`. Exit status: 0 all held; 1 something did not;
// 3 it could not be tried, or the certificate not written; 64 wrong usage.
int selftest(const std::vector<std::string>& words);
std::string selftest_help();

}  // namespace milonga
