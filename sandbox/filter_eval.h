// Runs a compiled filter in user space, as the kernel would, and says what the
// policy tables declare. The tests hold the two against each other over every
// architecture, number and edge value; `autodriver audit` and `learn` ask the
// filter what it does with a call, and the tables why.
//
// Privilege: none.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>

#include "sandbox/policy/profiles.h"

namespace milonga {

// The program's answer (SECCOMP_RET_*) for one call. Empty: the program is not
// one that seccomp accepts (an instruction outside seccomp's subset of classic
// BPF, a load beyond or across the fields, a jump or fall out of the program).
std::optional<std::uint32_t> evaluate(std::span<const sock_filter> program, const seccomp_data& call);

// Does the kernel execute a call that is answered so? Errors, kills and traps do not.
bool lets_through(std::optional<std::uint32_t> answer);

// What the tables declare for it, and by which row: one of the two, or none (an
// unknown number, another architecture).
struct Declared {
  std::uint32_t answer;
  const CallRule* by_number;
  const ArgumentRule* by_argument;
};
Declared declared(const Profile& profile, const seccomp_data& call);

}  // namespace milonga
