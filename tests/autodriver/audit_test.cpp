// The audit believes the filter and nothing else: whatever is opened in the
// filter must turn its class to open, and nothing that is refused may be without a class.
#include "autodriver/audit.h"

#include <gtest/gtest.h>
#include <linux/bpf_common.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "sandbox/filter_eval.h"
#include "sandbox/filters.h"
#include "sandbox/syscall_names.h"

namespace milonga {
namespace {

using Names = std::set<std::string>;

Names open_classes(std::span<const sock_filter> program) {
  Names names;
  for (const ClassFinding& f : audit_classes(program)) {
    if (!f.closed()) names.insert(f.attack->name);
  }
  return names;
}

// The filter with one hole: these calls of this architecture are allowed before it is asked.
std::vector<sock_filter> with_hole(std::span<const sock_filter> program, std::uint32_t arch,
                                   std::uint32_t first, std::uint32_t last) {
  std::vector<sock_filter> holed = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, arch)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 4, arch},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JGE | BPF_K, 0, 2, first},
      {BPF_JMP | BPF_JGT | BPF_K, 1, 0, last},
      {BPF_RET | BPF_K, 0, 0, kAllow},
  };
  holed.insert(holed.end(), program.begin(), program.end());
  return holed;
}

TEST(Audit, OpeningAnyOneAttemptOfAnyClassTurnsItToOpen) {
  const auto program = filter_of(ProfileId::strict).program;
  const Names before = open_classes(program);
  for (const AttackClass& attack : kAttackClasses) {
    if (before.contains(attack.name)) continue;
    for (const Attempt& a : attack.attempts) {
      const bool x32 = a.entrance == Entrance::x32;
      const auto number = static_cast<std::uint32_t>(a.last) | (x32 ? kX32Bit : 0);
      const auto holed =
          with_hole(program, a.entrance == Entrance::i386 ? AUDIT_ARCH_I386 : kPolicyArch, number, number);
      EXPECT_TRUE(open_classes(holed).contains(attack.name)) << attack.name << ", call " << a.last;
    }
  }
}

TEST(Audit, AFilterThatAllowsAllClosesNothingAndScoresZero) {
  const sock_filter all[] = {{BPF_RET | BPF_K, 0, 0, kAllow}};
  EXPECT_EQ(open_classes(all).size(), std::size(kAttackClasses));
  EXPECT_EQ(audit_score(audit_classes(all)), 0u);
  const sock_filter logs[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_LOG}};
  EXPECT_EQ(audit_score(audit_classes(logs)), 0u) << "to log a call is to let it through";
  EXPECT_EQ(audit_score(audit_classes({})), 0u) << "a program that the kernel would not load";
  const sock_filter none[] = {{BPF_RET | BPF_K, 0, 0, error(EPERM)}};
  EXPECT_EQ(open_classes(none), (Names{"uprobe trampolines"})) << "of which the kernel asks no filter";
}

// Written by hand: what each profile leaves open is a decision, and changes only with one.
TEST(Audit, TheProfilesLeaveOpenWhatTheyAreMeantTo) {
  const Names strict = {"POSIX timers", "futexes", "uprobe trampolines"};
  Names course = strict;
  course.insert({"debugging", "internet sockets", "netlink", "unix sockets", "System V and POSIX IPC",
                 "pages between pipes and files", "code without a file", "own filters", "rare kernel objects",
                 "placing and locking memory"});
  Names debugger = course;
  debugger.insert({"perf events", "writing to other processes"});
  EXPECT_EQ(open_classes(filter_of(ProfileId::strict).program), strict);
  EXPECT_EQ(open_classes(filter_of(ProfileId::course).program), course);
  EXPECT_EQ(open_classes(filter_of(ProfileId::debugger).program), debugger);
}

bool covers(const Attempt& a, const seccomp_data& call) {
  if (a.entrance == Entrance::i386 || a.entrance == Entrance::x32 || call.nr < a.first || call.nr > a.last) return false;
  return a.argument == Attempt::kAnyArguments || call.args[a.argument] == a.value;
}
bool has_class(const seccomp_data& call) {
  return std::any_of(std::begin(kAttackClasses), std::end(kAttackClasses), [&](const AttackClass& c) {
    return std::any_of(c.attempts.begin(), c.attempts.end(),
                       [&](const Attempt& a) { return covers(a, call); });
  });
}

TEST(Audit, WhateverAProfileRefusesBelongsToAClass) {
  for (const Profile& p : kProfiles) {
    for (int number = 0; number < 1024; ++number) {
      seccomp_data call{number, kPolicyArch, 0, {}};
      if (declared(p, call).answer == kAllow || has_class(call)) continue;
      // A call with another argument of the class still names it.
      call.args[0] = 2;
      EXPECT_TRUE(has_class(call)) << p.name << " refuses " << syscall_name(number) << ", which is in no class";
    }
    for (const auto table : {std::span<const ArgumentRule>(kArgumentRules), p.argument_rules}) {
      for (const ArgumentRule& rule : table) {
        seccomp_data call{rule.call, kPolicyArch, 0, {}};
        call.args[rule.argument] = rule.value;
        EXPECT_TRUE(has_class(call)) << rule.why;
      }
    }
  }
}

TEST(Audit, TheHostsSwitchesAreThoseOfThisHost) {
  std::size_t found = 0;
  for (const ClassFinding& f : audit_classes(filter_of(ProfileId::course).program)) {
    const HostSwitch& host = f.attack->host;
    std::string text;
    if (host.file != nullptr) std::ifstream(std::string("/proc/sys/") + host.file) >> text;
    ASSERT_EQ(f.host_value.has_value(), !text.empty()) << f.attack->name;
    if (text.empty()) continue;
    ++found;
    EXPECT_EQ(std::to_string(*f.host_value), text);
    EXPECT_EQ(f.host_closes, std::stol(text) >= host.closed_from && std::stol(text) <= host.closed_to);
  }
  EXPECT_GT(found, 3u);
}

}  // namespace
}  // namespace milonga
