// autodriver audit: what a profile's filter allows and forbids on this host, and
// which classes of attack it closes. All answers are the filter's own, executed
// (sandbox/filter_eval.h); the tables only say why.
//
// Privilege: none.
#pragma once

#include <linux/filter.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sandbox/policy/attack_classes.h"

namespace milonga {

struct ClassFinding {
  const AttackClass* attack = nullptr;
  std::vector<std::string> refused;      // "add_key: EPERM"
  std::vector<std::string> let_through;  // "ptrace"
  std::optional<long> host_value;        // of the host's switch; empty: none, or not in this kernel
  bool host_closes = false;

  [[nodiscard]] bool closed() const { return let_through.empty(); }
};

// One per class, in the order of the table.
std::vector<ClassFinding> audit_classes(std::span<const sock_filter> program);

// Weights of the closed classes in percent of all, rounded down.
unsigned audit_score(const std::vector<ClassFinding>& findings);

// The words after `audit`. Exit status: 0 printed; 3 it could not be; 64 wrong usage.
int audit(const std::vector<std::string>& words);
std::string audit_help();

}  // namespace milonga
