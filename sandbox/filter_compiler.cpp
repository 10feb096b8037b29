// libseccomp has no order among the rules of one call and no "otherwise", and
// rules with and without argument tests on the same call are merged: the corner
// in which its past filter-weakening errors were. So it is asked only for two
// programs of the simplest shape, one per table, which are then joined: where the
// first one (argument tests; default: allow) would allow, it goes on with the
// second one (numbers; default: ENOSYS).
#include "sandbox/filter_compiler.h"

#include <linux/bpf_common.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/core/unique_fd.h"

namespace milonga {
namespace {

using Program = std::vector<sock_filter>;
using Context = std::unique_ptr<void, decltype(&seccomp_release)>;

// libseccomp returns -errno.
Unexpected failed(const char* operation, int call, int result) {
  return fail_errno(operation, "call " + std::to_string(call), "", -result);
}

Result<Context> start(std::uint32_t default_answer) {
  Context context(seccomp_init(default_answer), &seccomp_release);
  if (!context) return fail("libseccomp: cannot start a filter");
  // Without this, calls of other architectures would only kill the thread.
  if (const int rc = seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, kForeignCall); rc != 0) {
    return fail_errno("set", "SCMP_FLTATR_ACT_BADARCH", "", -rc);
  }
  // A tree over the numbers instead of a list: the kernel runs the program once
  // for each number when it is loaded, to find the constant answers.
  if (const int rc = seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2); rc != 0) {
    return fail_errno("set", "SCMP_FLTATR_CTL_OPTIMIZE", "", -rc);
  }
  return context;
}

Result<Program> finish(const Context& context) {
  const UniqueFd file(::memfd_create("filter", MFD_CLOEXEC));
  if (!file.valid()) return fail_errno("create a memfd", "");
  if (const int rc = seccomp_export_bpf(context.get(), file.get()); rc != 0) {
    return fail_errno("export the filter", "", "", -rc);
  }
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size <= 0 || size % sizeof(sock_filter) != 0) return fail("libseccomp exported half an instruction");
  Program program(static_cast<std::size_t>(size) / sizeof(sock_filter));
  if (::pread(file.get(), program.data(), static_cast<std::size_t>(size), 0) != size) {
    return fail_errno("read the exported filter", "");
  }
  return program;
}

Result<Program> compile_arguments(const Profile& profile) {
  const Context context = TRY(start(kAllow));
  for (const std::span<const ArgumentRule> table :
       {std::span<const ArgumentRule>(kArgumentRules), profile.argument_rules}) {
    for (const ArgumentRule& rule : table) {
      if (rule_for(profile, rule.call)->answer != kAllow) continue;  // refused whatever its arguments
      const scmp_arg_cmp test = rule.test == ArgumentTest::masked_equal
                                    ? scmp_arg_cmp{rule.argument, SCMP_CMP_MASKED_EQ, rule.mask, rule.value}
                                    : scmp_arg_cmp{rule.argument, SCMP_CMP_GE, rule.value, 0};
      const int rc = seccomp_rule_add_exact_array(context.get(), rule.answer, rule.call, 1, &test);
      if (rc != 0) return failed("add the argument rule for", rule.call, rc);
    }
  }
  return finish(context);
}

bool changes(const Profile& profile, int call) {
  for (const CallRule& rule : profile.changes) {
    if (std::find(rule.list.begin(), rule.list.end(), call) != rule.list.end()) return true;
  }
  return false;
}

Result<> add_numbers(const Context& context, const CallRule& rule, const Profile* unless_changed) {
  if (rule.answer == kUnknownCall) return {};  // libseccomp refuses rules that repeat the default
  for (const int call : rule.list) {
    if (unless_changed != nullptr && changes(*unless_changed, call)) continue;
    const int rc = seccomp_rule_add_exact_array(context.get(), rule.answer, call, 0, nullptr);
    if (rc != 0) return failed("add the rule for", call, rc);
  }
  return {};
}

Result<Program> compile_numbers(const Profile& profile) {
  const Context context = TRY(start(kUnknownCall));
  for (const CallRule& rule : kCallRules) TRY(add_numbers(context, rule, &profile));
  for (const CallRule& rule : profile.changes) TRY(add_numbers(context, rule, nullptr));
  return finish(context);
}

// Each "allow" of the first program becomes a jump behind its end.
Program join(Program first, const Program& second) {
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].code == (BPF_RET | BPF_K) && first[i].k == kAllow) {
      first[i] = {BPF_JMP | BPF_JA, 0, 0, static_cast<std::uint32_t>(first.size() - i - 1)};
    }
  }
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

Result<Program> compile_filter(const Profile& profile) {
  return join(TRY(compile_arguments(profile)), TRY(compile_numbers(profile)));
}

}  // namespace milonga
