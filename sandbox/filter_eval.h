// For tests: runs a compiled filter in user space, as the kernel would, and says
// what the policy tables declare, so that the two can be held against each other
// over every architecture, number and edge value.
//
// Privilege: none.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>

namespace milonga {

// The program's answer (SECCOMP_RET_*) for one call. Empty: the program is not
// one that seccomp accepts (an instruction outside seccomp's subset of classic
// BPF, a load beyond or across the fields, a jump or fall out of the program).
std::optional<std::uint32_t> evaluate(std::span<const sock_filter> program, const seccomp_data& call);

// What kArgumentRules and kCallRules declare for it.
std::uint32_t declared_answer(const seccomp_data& call);

}  // namespace milonga
