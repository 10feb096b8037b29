#include "sandbox/filter_eval.h"

#include <linux/bpf_common.h>

#include <cstring>


namespace milonga {
namespace {

// Classic BPF's machine: an accumulator, an index register, 16 cells.
struct Machine {
  std::uint32_t a = 0, x = 0;
  std::uint32_t memory[BPF_MEMWORDS] = {};
};

std::optional<std::uint32_t> load_word(const seccomp_data& call, std::uint32_t offset) {
  if (offset % 4 != 0 || offset > sizeof call - 4) return std::nullopt;
  std::uint32_t word;
  std::memcpy(&word, reinterpret_cast<const char*>(&call) + offset, sizeof word);
  return word;
}

bool load(Machine& m, const sock_filter& i, const seccomp_data& call) {
  const bool into_x = BPF_CLASS(i.code) == BPF_LDX;
  std::uint32_t& target = into_x ? m.x : m.a;
  switch (i.code & ~0x07) {
    case BPF_W | BPF_ABS:
      if (const auto word = load_word(call, i.k); word && !into_x) {
        target = *word;
        return true;
      }
      return false;
    case BPF_W | BPF_IMM:
      target = i.k;
      return true;
    case BPF_W | BPF_LEN:
      target = sizeof call;
      return true;
    case BPF_W | BPF_MEM:
      if (i.k >= BPF_MEMWORDS) return false;
      target = m.memory[i.k];
      return true;
    default:
      return false;
  }
}

bool compute(Machine& m, const sock_filter& i) {
  const std::uint32_t operand = BPF_SRC(i.code) == BPF_X ? m.x : i.k;
  switch (BPF_OP(i.code)) {
    case BPF_ADD:
      m.a += operand;
      return true;
    case BPF_SUB:
      m.a -= operand;
      return true;
    case BPF_MUL:
      m.a *= operand;
      return true;
    case BPF_DIV:
      if (operand == 0) return false;
      m.a /= operand;
      return true;
    case BPF_OR:
      m.a |= operand;
      return true;
    case BPF_AND:
      m.a &= operand;
      return true;
    case BPF_XOR:
      m.a ^= operand;
      return true;
    case BPF_LSH:
      m.a = operand < 32 ? m.a << operand : 0;
      return operand < 32;
    case BPF_RSH:
      m.a = operand < 32 ? m.a >> operand : 0;
      return operand < 32;
    case BPF_NEG:
      m.a = 0 - m.a;
      return true;
    default:
      return false;
  }
}

// How far to jump; empty for an unknown one.
std::optional<std::size_t> jump(const Machine& m, const sock_filter& i) {
  const std::uint32_t operand = BPF_SRC(i.code) == BPF_X ? m.x : i.k;
  switch (BPF_OP(i.code)) {
    case BPF_JA:
      return i.k;
    case BPF_JEQ:
      return m.a == operand ? i.jt : i.jf;
    case BPF_JGT:
      return m.a > operand ? i.jt : i.jf;
    case BPF_JGE:
      return m.a >= operand ? i.jt : i.jf;
    case BPF_JSET:
      return (m.a & operand) != 0 ? i.jt : i.jf;
    default:
      return std::nullopt;
  }
}

bool matches(const ArgumentRule& rule, const seccomp_data& call) {
  if (call.nr != rule.call) return false;
  const std::uint64_t value = call.args[rule.argument];
  if (rule.test == ArgumentTest::at_least) return value >= rule.value;
  return (static_cast<std::uint32_t>(value) & rule.mask) == rule.value;
}

}  // namespace

std::optional<std::uint32_t> evaluate(std::span<const sock_filter> program, const seccomp_data& call) {
  Machine m;
  // Jumps only go forward, so this ends.
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& i = program[at];
    bool known = true;
    switch (BPF_CLASS(i.code)) {
      case BPF_LD:
      case BPF_LDX:
        known = load(m, i, call);
        break;
      case BPF_ALU:
        known = compute(m, i);
        break;
      case BPF_JMP: {
        const auto distance = jump(m, i);
        known = distance && *distance < program.size() - at;
        at += distance.value_or(0);
        break;
      }
      case BPF_ST:
      case BPF_STX:
        known = i.k < BPF_MEMWORDS;
        if (known) m.memory[i.k] = BPF_CLASS(i.code) == BPF_ST ? m.a : m.x;
        break;
      case BPF_RET:
        if (BPF_RVAL(i.code) == BPF_K) return i.k;
        if (BPF_RVAL(i.code) == BPF_A) return m.a;
        return std::nullopt;
      case BPF_MISC:
        known = BPF_MISCOP(i.code) == BPF_TAX || BPF_MISCOP(i.code) == BPF_TXA;
        (BPF_MISCOP(i.code) == BPF_TAX ? m.x : m.a) = BPF_MISCOP(i.code) == BPF_TAX ? m.a : m.x;
        break;
    }
    if (!known) return std::nullopt;
  }
  return std::nullopt;  // fell off the end
}

Declared declared(const Profile& profile, const seccomp_data& call) {
  if (call.arch != kPolicyArch) return {kForeignCall, nullptr, nullptr};
  // -1 is not a call: a tracer sets it to skip one (seccomp(2)); it has the x32
  // bit by accident.
  const auto number = static_cast<std::uint32_t>(call.nr);
  if (number >= kX32Bit && call.nr != -1) return {kForeignCall, nullptr, nullptr};
  const CallRule* by_number = rule_for(profile, call.nr);
  if (by_number == nullptr || by_number->answer != kAllow)
    return {by_number != nullptr ? by_number->answer : kUnknownCall, by_number, nullptr};
  for (const std::span<const ArgumentRule> table :
       {std::span<const ArgumentRule>(kArgumentRules), profile.argument_rules}) {
    for (const ArgumentRule& rule : table) {
      if (matches(rule, call)) return {rule.answer, nullptr, &rule};
    }
  }
  return {kAllow, by_number, nullptr};
}

bool lets_through(std::optional<std::uint32_t> answer) {
  if (!answer) return true;  // a program that the kernel would not load protects from nothing
  switch (*answer & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
    case SECCOMP_RET_ERRNO:
      return false;
    default:
      return true;
  }
}

}  // namespace milonga
