#include "autodriver/learn.h"

#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>

#include "autodriver/options.h"
#include "base/nearest.h"
#include "base/result.h"
#include "base/utf8.h"
#include "sandbox/filter_eval.h"
#include "sandbox/filters.h"
#include "sandbox/policy/profiles.h"
#include "sandbox/syscall_names.h"

namespace milonga {
namespace {

namespace json = boost::json;

constexpr const char* kUsage =
    "Usage: autodriver learn [--json] [--profile NAME] -- COMMAND [ARGUMENT...]\n"
    "Runs COMMAND without a box, as the caller, traced with all its children, and says which of\n"
    "its system calls the policy would have refused in a box. Nothing holds COMMAND: it is for\n"
    "programs that are trusted. A program with the setuid bit runs without it.\n\n"
    "  --json            print it as JSON\n"
    "  --profile NAME    the policy: course (default), strict or debugger\n"
    "  --help            print this and exit\n\n"
    "What COMMAND prints goes to standard error.\n"
    "Exit status: 0 nothing would have been refused, but for calls answered with ENOSYS, in whose place\n"
    "libraries have others; 1 something would; 3 it could not be run; 64 wrong usage.\n";

struct Arguments {
  bool json = false, help = false;
  const Profile* profile = &kProfiles[0];
  std::vector<std::string> command;
};

Result<Arguments> parse(const std::vector<std::string>& words) {
  Arguments arguments;
  const auto end = std::find(words.begin(), words.end(), "--");
  for (auto word = words.begin(); word != end; ++word) {
    if (*word == "--json") {
      arguments.json = true;
    } else if (*word == "--help" || *word == "-?") {
      arguments.help = true;
    } else if (*word == "--profile" || word->starts_with("--profile=")) {
      if (*word == "--profile" && ++word == end) return fail("learn: --profile needs a name", "course");
      arguments.profile = &profile(TRY(parse_profile(word->substr(word->starts_with("--profile=") ? 10 : 0))));
    } else {
      static constexpr std::string_view kKnown[] = {"--json", "--profile", "--help"};
      return fail("learn: no option '" + *word + "'", nearest_hint(*word, kKnown));
    }
  }
  if (end != words.end()) arguments.command.assign(end + 1, words.end());
  if (!arguments.help && (arguments.command.empty() || arguments.command[0].empty()))
    return fail("learn: there is no command", "write it after --: autodriver learn -- make");
  return arguments;
}

// ---- what was seen

// The row of the tables that refuses a call. Which call is refused is the compiled filter's word; this only
// explains.
struct Refusal {
  std::uint32_t arch = 0;
  int call = 0;
  const CallRule* rule = nullptr;               // the row of its number; a null pointer: there is none
  const ArgumentRule* argument_rule = nullptr;  // or by number
  std::uint64_t argument = 0;                   // with argument_rule: what it was
  std::uint32_t answer = 0;

  auto key() const { return std::tuple(arch != kPolicyArch, call, argument_rule, argument); }
  bool operator<(const Refusal& other) const { return key() < other.key(); }
};

struct Seen {
  std::uint64_t count = 0;
  std::string program;  // that made the first
};

struct Lesson {
  const Profile* profile = &kProfiles[0];
  std::map<Refusal, Seen> refused;
  std::uint64_t calls = 0, processes = 1;
  bool began = false;  // the command is there; before it was this program
  int status = 0;      // of the command, as waitpid(2) gives it
};

std::string program_of(pid_t pid) {
  char path[4096];
  const ssize_t n = ::readlink(("/proc/" + std::to_string(pid) + "/exe").c_str(), path, sizeof path);
  return n > 0 ? to_utf8({path, static_cast<std::size_t>(n)}) : "?";
}

void look_at(Lesson& lesson, pid_t pid) {
  struct __ptrace_syscall_info info {};  // as glibc names it
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) return;
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !lesson.began) return;
  seccomp_data call{};
  call.nr = static_cast<int>(info.entry.nr);
  call.arch = info.arch;
  call.instruction_pointer = info.instruction_pointer;
  std::copy(std::begin(info.entry.args), std::end(info.entry.args), std::begin(call.args));
  ++lesson.calls;
  const std::optional<std::uint32_t> answer = evaluate(filter_of(lesson.profile->id).program, call);
  if (!answer) bug("the compiled filter is none");
  if ((*answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW) return;
  const Declared row = declared(*lesson.profile, call);
  Refusal refusal{call.arch, call.nr, row.by_number, row.by_argument, 0, *answer};
  if (refusal.argument_rule != nullptr) refusal.argument = call.args[refusal.argument_rule->argument];
  Seen& seen = lesson.refused[refusal];
  if (seen.count++ == 0) seen.program = program_of(pid);
}

// ---- the command

// A process that waits to be traced and then becomes the command (see `start_command`).
Result<pid_t> spawn_waiting(const std::vector<std::string>& command) {
  std::vector<std::string> words = {"autodriver", "learn", "--start"};
  words.insert(words.end(), command.begin(), command.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail_errno("start", command[0], "", error);
  int status = 0;
  while (::waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR) {
  }
  if (!WIFSTOPPED(status)) return fail("the process that waits to be traced has ended");
  return pid;
}

// In the new process: no privilege to be gained by exec, then stop until somebody traces.
int start_command(const std::vector<std::string>& command) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::raise(SIGSTOP);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  std::fprintf(stderr, "autodriver: learn: cannot run '%s': %s\n", argv[0], std::strerror(errno));
  ::_exit(127);
}

// With which request a stopped process goes on, and with which signal (ptrace(2), "Stopped states").
void let_go_on(Lesson& lesson, pid_t pid, int status) {
  const int signal = WSTOPSIG(status), event = status >> 16;
  if (signal == (SIGTRAP | 0x80)) {
    look_at(lesson, pid);
    ::ptrace(PTRACE_SYSCALL, pid, 0, 0);
  } else if (event == PTRACE_EVENT_STOP) {
    const bool group_stop = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
    ::ptrace(group_stop ? PTRACE_LISTEN : PTRACE_SYSCALL, pid, 0, 0);
  } else if (event != 0) {
    lesson.began = lesson.began || event == PTRACE_EVENT_EXEC;
    lesson.processes +=
        event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE;
    ::ptrace(PTRACE_SYSCALL, pid, 0, 0);
  } else {
    ::ptrace(PTRACE_SYSCALL, pid, 0, signal);
  }
}

Result<Lesson> watch(const Profile& policy, const std::vector<std::string>& command) {
  const pid_t first = TRY(spawn_waiting(command));
  constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                            PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (::ptrace(PTRACE_SEIZE, first, 0, kOptions) != 0) {
    const int error = errno;
    ::kill(first, SIGKILL);
    ::waitpid(first, nullptr, 0);
    return fail_errno("trace", command[0], "kernel.yama.ptrace_scope of 3 forbids it", error);
  }
  ::kill(first, SIGCONT);
  Lesson lesson;
  lesson.profile = &policy;
  while (true) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, __WALL);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) break;  // ECHILD: all have ended
    if (WIFSTOPPED(status))
      let_go_on(lesson, pid, status);
    else if (pid == first)
      lesson.status = status;
  }
  if (!lesson.began) return fail("learn: there was nothing to look at");
  return lesson;
}

// ---- what is said of it

std::string answer_name(std::uint32_t answer) {
  if ((answer & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO) return "killed";
  const int code = static_cast<int>(answer & SECCOMP_RET_DATA);
  return code == 0 ? "nothing is done" : ::strerrorname_np(code);
}

// For the program it is as on an older kernel: libraries go on with another call. Nothing that would have to
// be allowed.
bool has_substitute(const Refusal& refusal) {
  return refusal.answer == kUnknownCall || refusal.answer == kPretend;
}

const char* why_of(const Refusal& refusal) {
  if (refusal.arch != kPolicyArch || (static_cast<std::uint32_t>(refusal.call) & kX32Bit) != 0)
    return "a call of another architecture: the same number means another call there";
  if (refusal.argument_rule != nullptr) return refusal.argument_rule->why;
  if (refusal.rule != nullptr) return refusal.rule->why;
  return "newer than the policy: libc falls back";
}

std::string name_of(const Refusal& refusal) {
  if (refusal.arch != kPolicyArch) return "32-bit call " + std::to_string(refusal.call);
  return syscall_name(refusal.call);
}

std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

std::string quoted(const std::string& text) {
  return json::serialize(json::value(text));
}

// Rows of sandbox/policy (syscalls.h, profiles.h): "-" what would have to go, "+" what would come in its place.
std::vector<std::string> policy_rows(const Lesson& lesson, const std::string& command) {
  std::vector<std::string> rows;
  std::string allowed;
  const ArgumentRule* last = nullptr;
  for (const auto& [refusal, seen] : lesson.refused) {
    if (refusal.arch != kPolicyArch || refusal.call > kNewestReviewedCall || refusal.call < 0) continue;
    if (has_substitute(refusal)) continue;
    const std::string name = "SYS_" + syscall_name(refusal.call);
    if (const ArgumentRule* rule = refusal.argument_rule; rule != nullptr && rule != last) {
      last = rule;
      const bool at_least = rule->test == ArgumentTest::at_least;
      rows.push_back("- kArgumentRules: {" + name + ", " + std::to_string(rule->argument) +
                     ", ArgumentTest::" + (at_least ? "at_least" : "masked_equal") + ", " + hex(rule->mask) +
                     ", " + hex(rule->value) + ", ...}, " + quoted(rule->why));
    } else if (rule == nullptr) {
      rows.push_back("- kCallRules: " + name + " out of the row " + quoted(why_of(refusal)));
      allowed += (allowed.empty() ? "" : ", ") + name;
    }
  }
  if (!allowed.empty())
    rows.push_back("+ kCallRules: {kAllow, " + quoted("for " + command + ": say why it is safe") +
                   ", calls(" + allowed + ")},");
  return rows;
}

std::string end_of(int status) {
  return WIFEXITED(status) ? "exit status " + std::to_string(WEXITSTATUS(status))
                           : "signal " + std::to_string(WTERMSIG(status));
}

json::object json_of(const Lesson& lesson, const std::vector<std::string>& command) {
  json::array refused, rows, words;
  for (const std::string& word : command) words.emplace_back(to_utf8(word));
  for (const auto& [refusal, seen] : lesson.refused) {
    const ArgumentRule* rule = refusal.argument_rule;
    refused.push_back({{"call", name_of(refusal)},
                       {"number", refusal.call},
                       {"argument", rule == nullptr ? json::value(nullptr)
                                                    : json::value{{"index", rule->argument},
                                                                  {"value", hex(refusal.argument)}}},
                       {"count", seen.count},
                       {"answer", answer_name(refusal.answer)},
                       {"rule", why_of(refusal)},
                       {"program", seen.program}});
  }
  for (const std::string& row : policy_rows(lesson, to_utf8(command[0]))) rows.emplace_back(row);
  return {{"profile", lesson.profile->name},
          {"command", words},
          {"ended", end_of(lesson.status)},
          {"processes", lesson.processes},
          {"calls", lesson.calls},
          {"refused", refused},
          {"policy_rows", rows}};
}

void print(const Lesson& lesson, const std::string& command) {
  std::printf("%llu system calls of %llu processes and threads (%s)\n",
              static_cast<unsigned long long>(lesson.calls),
              static_cast<unsigned long long>(lesson.processes), end_of(lesson.status).c_str());
  if (lesson.refused.empty()) {
    std::printf("The policy `%s` refuses none of them.\n", lesson.profile->name);
    return;
  }
  std::printf("The policy `%s` would have refused:\n", lesson.profile->name);
  for (const auto& [refusal, seen] : lesson.refused) {
    std::string call = name_of(refusal);
    if (const ArgumentRule* rule = refusal.argument_rule)
      call += " (argument " + std::to_string(rule->argument + 1) + ": " + hex(refusal.argument) + ")";
    std::printf("  %6llu x %-32s %-10s %s\n           first by %s\n",
                static_cast<unsigned long long>(seen.count), call.c_str(),
                answer_name(refusal.answer).c_str(), why_of(refusal), seen.program.c_str());
  }
  const std::vector<std::string> rows = policy_rows(lesson, command);
  if (rows.empty()) {
    std::puts(
        "\nNone has to be allowed: in the place of a call answered with ENOSYS libraries have another.");
    return;
  }
  std::puts("\nTo allow them, in sandbox/policy/syscalls.h or profiles.h, each only if you know why it is safe:");
  for (const std::string& row : rows) std::printf("  %s\n", row.c_str());
}

int complain(const Error& error, int status) {
  std::fprintf(stderr, "autodriver: %s\n", error.line().c_str());
  return status;
}

}  // namespace

int learn(const std::vector<std::string>& words) {
  if (words.size() > 1 && words[0] == "--start") return start_command({words.begin() + 1, words.end()});
  const Result<Arguments> arguments = parse(words);
  if (!arguments) return complain(arguments.error(), 64);
  if (arguments->help) return std::fputs(kUsage, stdout) < 0 ? 3 : 0;
  const Result<Lesson> lesson = watch(*arguments->profile, arguments->command);
  if (!lesson) return complain(lesson.error(), 3);
  if (arguments->json)
    std::puts(json::serialize(json_of(*lesson, arguments->command)).c_str());
  else
    print(*lesson, to_utf8(arguments->command[0]));
  if (std::fflush(stdout) != 0) return 3;
  const auto is_hard = [](const auto& entry) { return !has_substitute(entry.first); };
  return std::any_of(lesson->refused.begin(), lesson->refused.end(), is_hard) ? 1 : 0;
}

std::string learn_help() {
  return kUsage;
}

}  // namespace milonga
