#include "autodriver/audit.h"

#include <sys/utsname.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "autodriver/options.h"
#include "base/nearest.h"
#include "sandbox/filter_eval.h"
#include "sandbox/filters.h"
#include "sandbox/syscall_names.h"

namespace milonga {
namespace {

namespace json = boost::json;

constexpr const char* kUsage =
    "Usage: autodriver audit [--json] [--profile NAME]\n"
    "Says what a system call policy allows and forbids, which known attacks it closes and by which\n"
    "answers, which stay open and what else stands against them, what settings of this host would\n"
    "close, and a score. All answers are the compiled filter's own, executed for each call.\n\n"
    "  --json            print it as JSON\n"
    "  --profile NAME    the policy: course (default), strict or debugger\n"
    "  --help            print this and exit\n\n"
    "Exit status: 0 it was printed, whatever it says; 3 it could not be; 64 wrong usage.\n";

struct Arguments {
  bool json = false, help = false;
  ProfileId profile = ProfileId::course;
};

Result<Arguments> parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (*word == "--json") {
      arguments.json = true;
    } else if (*word == "--help" || *word == "-?") {
      arguments.help = true;
    } else if (word->starts_with("--profile=")) {
      arguments.profile = TRY(parse_profile(std::string_view(*word).substr(10)));
    } else if (*word == "--profile") {
      if (++word == words.end()) return fail("audit: --profile needs a name", "course");
      arguments.profile = TRY(parse_profile(*word));
    } else {
      static constexpr std::string_view kKnown[] = {"--json", "--profile", "--help"};
      return fail("audit: no option '" + *word + "'", nearest_hint(*word, kKnown));
    }
  }
  return arguments;
}

std::string answer_name(std::uint32_t answer) {
  if (answer == kPretend) return "0 (pretended)";
  if ((answer & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO) return "kill";
  const char* name = ::strerrorname_np(static_cast<int>(answer & SECCOMP_RET_DATA));
  return name != nullptr ? name : "error " + std::to_string(answer & SECCOMP_RET_DATA);
}

// ---- attempts

// The calls by which one attempt is tried: with other arguments of all bits, of
// none, and with garbage above the 32 bits that the kernel looks at.
std::vector<seccomp_data> calls_of(const Attempt& attempt, int number) {
  const bool x32 = attempt.entrance == Entrance::x32;
  const int nr = x32 ? number | static_cast<int>(kX32Bit) : number;
  const std::uint32_t arch = attempt.entrance == Entrance::i386 ? AUDIT_ARCH_I386 : kPolicyArch;
  std::vector<seccomp_data> calls;
  for (const std::uint64_t others : {0ull, 1ull, ~0ull}) {
    seccomp_data call{nr, arch, 0, {others, others, others, others, others, others}};
    if (attempt.argument == Attempt::kAnyArguments) {
      calls.push_back(call);
      continue;
    }
    for (const std::uint64_t garbage : {0ull, 1ull << 32, 0xffffffffull << 32}) {
      call.args[attempt.argument] = attempt.value | garbage;
      calls.push_back(call);
    }
  }
  return calls;
}

std::string name_of(const Attempt& a) {
  if (a.entrance == Entrance::i386) return "int 0x80";
  if (a.entrance == Entrance::x32) return "x32";
  if (a.first != a.last) return "calls " + std::to_string(a.first) + " to " + std::to_string(a.last);
  std::string text = syscall_name(a.first);
  if (a.argument == Attempt::kAnyArguments) return text;
  char argument[40];
  std::snprintf(argument, sizeof argument, "(arg%d=0x%llx)", a.argument,
                static_cast<unsigned long long>(a.value));
  return text + argument;
}

// The answers that an attempt gets; those that let it through are "allow".
std::set<std::string> answers_to(const Attempt& attempt, std::span<const sock_filter> program) {
  std::set<std::string> answers;
  for (int number = attempt.first; number <= attempt.last; ++number) {
    for (const seccomp_data& call : calls_of(attempt, number)) {
      const auto answer = attempt.entrance == Entrance::past_filters ? kAllow : evaluate(program, call);
      answers.insert(lets_through(answer) ? "allow" : answer_name(*answer));
    }
  }
  return answers;
}

std::optional<long> read_switch(const HostSwitch& host) {
  if (host.file == nullptr) return std::nullopt;
  std::ifstream file(std::string("/proc/sys/") + host.file);
  long value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

// ---- what is allowed and forbidden, row by row

struct Row {
  std::string answer, why;
  std::vector<std::string> calls;
};

std::vector<Row> rows_of(const Profile& p, std::span<const sock_filter> program) {
  std::vector<Row> rows;
  std::map<std::pair<std::string, const void*>, std::size_t> known;
  for (int number = 0; number <= kNewestReviewedCall; ++number) {
    if (number >= kGapFirst && number <= kGapLast) continue;
    const seccomp_data call{number, kPolicyArch, 0, {}};
    const auto answer = evaluate(program, call);
    const CallRule* rule = rule_for(p, number);
    const std::string printed = lets_through(answer) ? "allow" : answer_name(*answer);
    const auto [at, is_new] = known.try_emplace({printed, rule}, rows.size());
    if (is_new) rows.push_back({printed, rule != nullptr ? rule->why : "in no row of the table", {}});
    rows[at->second].calls.push_back(syscall_name(number));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.answer > b.answer; });
  return rows;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// ---- output

std::string kernel() {
  utsname name{};
  return ::uname(&name) == 0 ? name.release : "unknown";
}

std::string host_line(const ClassFinding& f) {
  if (f.attack->host.file == nullptr) return "";
  std::string name = f.attack->host.file;
  std::replace(name.begin(), name.end(), '/', '.');
  if (!f.host_value) return "    host    this kernel has no " + name + "\n";
  std::string line = "    host    " + name + " is " + std::to_string(*f.host_value);
  if (f.host_closes) return line + ": closed for every program\n";
  return line + "; " + std::to_string(f.attack->host.closed_from) + " would close it for every program\n";
}

std::string class_text(const ClassFinding& f) {
  std::string text = std::string(f.closed() ? "  closed  " : "  OPEN    ") + f.attack->name + " (" +
                     std::to_string(f.attack->weight) + "): " + f.attack->danger + "\n";
  if (!f.refused.empty()) text += "    by      " + joined(f.refused) + "\n";
  if (!f.closed()) {
    text += "    through " + joined(f.let_through) + "\n";
    text += std::string("    against ") + f.attack->if_open + "\n";
  }
  return text + host_line(f);
}

std::string audit_text(const Profile& p, const std::vector<ClassFinding>& findings) {
  std::string text = std::string("Profile ") + p.name + " (" + p.why + ")\nFilter  SHA-256 " +
                     filter_of(p.id).sha256 + "\nKernel  " + kernel() + "\n\nSystem calls\n";
  for (const Row& row : rows_of(p, filter_of(p.id).program)) {
    text += "  " + row.answer + "  " + row.why + "\n    " + joined(row.calls) + "\n";
  }
  for (const bool closed : {true, false}) {
    text += closed ? "\nAttacks that are closed, by which answer (weight)\n"
                   : "\nAttacks that stay open, and what else stands against them\n";
    for (const ClassFinding& f : findings) {
      if (f.closed() == closed) text += class_text(f);
    }
  }
  const auto open =
      std::count_if(findings.begin(), findings.end(), [](const auto& f) { return !f.closed(); });
  return text + "\nScore   " + std::to_string(audit_score(findings)) + " of 100 (" +
         std::to_string(findings.size() - static_cast<std::size_t>(open)) + " classes closed, " +
         std::to_string(open) + " open)\n";
}

template <class T>
json::array array_of(const T& values) {
  return json::array(values.begin(), values.end());
}

json::value host_json(const ClassFinding& f) {
  if (f.attack->host.file == nullptr) return nullptr;
  return {{"switch", f.attack->host.file},
          {"value", f.host_value ? json::value(*f.host_value) : json::value(nullptr)},
          {"closes", f.host_closes}};
}

std::string audit_json(const Profile& p, const std::vector<ClassFinding>& findings) {
  json::array classes, calls;
  for (const ClassFinding& f : findings) {
    classes.push_back({{"name", f.attack->name},
                       {"weight", f.attack->weight},
                       {"danger", f.attack->danger},
                       {"closed", f.closed()},
                       {"refused", array_of(f.refused)},
                       {"let_through", array_of(f.let_through)},
                       {"if_open", f.attack->if_open},
                       {"host", host_json(f)}});
  }
  for (const Row& row : rows_of(p, filter_of(p.id).program))
    calls.push_back({{"answer", row.answer}, {"why", row.why}, {"calls", array_of(row.calls)}});
  const json::object all = {
      {"schema", 1},        {"profile", {{"name", p.name}, {"sha256", filter_of(p.id).sha256}}},
      {"kernel", kernel()}, {"score", audit_score(findings)},
      {"classes", classes}, {"calls", calls}};
  return json::serialize(all) + "\n";
}

}  // namespace

std::vector<ClassFinding> audit_classes(std::span<const sock_filter> program) {
  std::vector<ClassFinding> findings;
  for (const AttackClass& attack : kAttackClasses) {
    ClassFinding f{&attack, {}, {}, read_switch(attack.host), false};
    for (const Attempt& attempt : attack.attempts) {
      const std::set<std::string> answers = answers_to(attempt, program);
      if (answers.contains("allow"))
        f.let_through.push_back(name_of(attempt));
      else
        f.refused.push_back(name_of(attempt) + ": " + joined({answers.begin(), answers.end()}));
    }
    f.host_closes =
        f.host_value && *f.host_value >= attack.host.closed_from && *f.host_value <= attack.host.closed_to;
    findings.push_back(std::move(f));
  }
  return findings;
}

unsigned audit_score(const std::vector<ClassFinding>& findings) {
  unsigned closed = 0, all = 0;
  for (const ClassFinding& f : findings) {
    all += f.attack->weight;
    closed += f.closed() ? f.attack->weight : 0;
  }
  return all == 0 ? 0 : closed * 100 / all;
}

int audit(const std::vector<std::string>& words) {
  const Result<Arguments> arguments = parse(words);
  if (!arguments) {
    std::fprintf(stderr, "autodriver: %s\n", arguments.error().line().c_str());
    return 64;
  }
  const Profile& p = profile(arguments->profile);
  std::string text = kUsage;
  if (!arguments->help) {
    const std::vector<ClassFinding> findings = audit_classes(filter_of(p.id).program);
    text = arguments->json ? audit_json(p, findings) : audit_text(p, findings);
  }
  return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 3 : 0;
}

std::string audit_help() {
  return kUsage;
}

}  // namespace milonga
