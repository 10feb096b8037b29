#include "autodriver/selftest.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "autodriver/certificate.h"
#include "autodriver/core_client.h"
#include "autodriver/options.h"
#include "autodriver/report_view.h"
#include "autodriver/selftest_attempts.h"
#include "autodriver/selftest_outside.h"
#include "base/core/unique_fd.h"

namespace milonga {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kUsage =
    "Usage: autodriver selftest [--json] [--certificate FILE] [--require DEMAND>=RUNG]...\n"
    "Tries in boxes, here and now, to break each promise, and writes down what held.\n\n"
    "  --json                    print the certificate instead of a table\n"
    "  --certificate FILE        where it is written; default, of root: /var/lib/milonga/selftest.json,\n"
    "                            else $XDG_STATE_HOME/milonga/selftest.json\n"
    "  --require DEMAND>=RUNG    as of a run: another rung than the default will do, such as container\n"
    "  --help                    print this and exit\n"
    "\nExit status: 0 all promises held; 1 one did not; 3 it could not be tried; 64 wrong usage.\n";

// One box: what is let loose, under which limits, and what has to come of it.
struct Trial {
  Demand demand;
  const char* tries;                 // for people
  std::vector<std::string> options;  // over those of every box
  std::vector<Verdict> verdicts;     // all that are right where the rung is strong
  bool hit;                          // the evidence must say that the limit was reached
};

std::vector<Trial> trials() {
  const auto is = [](const char* option, std::uint64_t value) {
    return std::string(option) + std::to_string(value);
  };
  using V = Verdict;
  return {
      {Demand::wall, "sleeps for ever", {"--wall-time=0.3"}, {V::wall_limit}, true},
      {Demand::cpu, "two processes that compute for ever", {"--cpu-time=0.3"}, {V::cpu_limit}, true},
      {Demand::memory,
       "takes four times the memory",
       {is("--memory=", kTrialMemory)},
       {V::memory_limit},
       true},
      {Demand::processes, "starts four times the processes", {is("--pids=", kTrialProcesses)}, {V::ok}, true},
      {Demand::disk, "fills every place it can write to", {is("--disk=", kTrialDisk)}, {V::disk_limit}, true},
      {Demand::inodes, "makes four times the files", {is("--inodes=", kTrialInodes)}, {V::disk_limit}, true},
      {Demand::file_size,
       "writes a file of twice the size",
       {is("--file-size=", kTrialFile), "--disk=96M"},
       {V::ok},
       false},
      {Demand::open_files,
       "opens four times the files",
       {is("--open-files=", kTrialOpenFiles)},
       {V::ok},
       false},
      {Demand::output, "prints sixteen times the output", {is("--output=", kTrialOutput)}, {V::ok}, true},
      {Demand::kill, "leaves a daemon that ignores signals", {}, {V::ok}, false},
      {Demand::network, "connects to the host, and out", {}, {V::ok}, false},
      {Demand::filesystem, "writes to the system, reads secrets", {}, {V::ok}, false},
      {Demand::visibility, "looks for processes and memory of others", {}, {V::ok}, false},
      {Demand::privilege, "tries to become root", {}, {V::ok}, false},
      {Demand::syscalls, "makes every call that is refused", {}, {V::ok}, false},
  };
}

struct Arguments {
  bool json = false, help = false;
  std::string certificate;
  BoxOptions box;
};

Result<Arguments> parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string name = words[i], value;
    const std::size_t equal = name.find('=');
    const bool takes_value = name.starts_with("--certificate") || name.starts_with("--require");
    if (takes_value && equal != std::string::npos) {
      value = name.substr(equal + 1);
      name.resize(equal);
    } else if (takes_value) {
      if (++i == words.size()) return fail(name + " needs a value", "see autodriver selftest --help");
      value = words[i];
    }
    if (name == "--json") {
      arguments.json = true;
    } else if (name == "--help" || name == "-?") {
      arguments.help = true;
    } else if (name == "--certificate" && !value.empty()) {
      arguments.certificate = value;
    } else if (name == "--require") {
      TRY(set_box_option(arguments.box, "require", value));
    } else {
      return fail("selftest: no option '" + words[i] + "'", "see autodriver selftest --help");
    }
  }
  if (arguments.certificate.empty()) arguments.certificate = certificate_path();
  return arguments;
}

// ---- one box

struct Ran {
  std::string output, complaint;
  json::object report;  // empty: none
  Verdict verdict = Verdict::internal_error;
};

// Starts a program with its output and its messages led into files; waits for its end.
Result<int> run_program(const std::vector<std::string>& words, int output, int messages) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  ::posix_spawn_file_actions_adddup2(&actions, messages, 2);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail_errno("start", words[0], "", error);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string text_in(int fd) {
  std::string text(1 << 18, '\0');
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

Result<Ran> run_box(const Trial& trial, const Outside& outside) {
  const UniqueFd output(::memfd_create("output", MFD_CLOEXEC)),
      messages(::memfd_create("messages", MFD_CLOEXEC));
  std::vector<std::string> words = {"/proc/self/exe", "--stream", "--report", outside.report()};
  std::error_code error;
  fs::remove(outside.report(), error);
  // The wall limit is for a box that does not hold; the trial's own comes later, and counts.
  words.insert(words.end(), {"--wall-time=20", "--cpu-time=20", "--file-size=1G"});
  for (const std::string& option : trial.options) {
    std::erase_if(words, [&](const std::string& word) {
      return word.starts_with(option.substr(0, option.find('=') + 1));
    });
    words.push_back(option);
  }
  // What is promised is judged here, each demand for itself: one that is weak must not hide the others.
  for (const char* demand : kDemandNames) words.push_back(std::string("--require=") + demand + ">=none");
  words.insert(words.end(), {outside.job(), "--command", "--", "./autodriver", "selftest", "--attempt",
                             demand_name(trial.demand)});
  const auto planted = outside.planted().words();
  words.insert(words.end(), planted.begin(), planted.end());
  TRY(run_program(words, output.get(), messages.get()));
  Ran ran;
  ran.output = text_in(output.get());
  ran.complaint = text_in(messages.get());
  std::ifstream file(outside.report());
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const Result<ReportView> view = parse_report(text);
  if (!view) return ran;
  ran.verdict = view->verdict;
  ran.report = json::parse(text).get_object();
  return ran;
}

// ---- what is made of it

struct Row {
  Demand demand{};
  bool passed = false;
  std::string rung = "none", mechanism = "none", verdict, why;  // why it did not pass
  std::string required;
  std::string box;
};

int rung_number(const std::string& name) {
  for (int i = 0; i < 5; ++i)
    if (name == kRungNames[i]) return i;
  return 0;
}

// The line that begins with the word, without it; empty: none.
std::string line_with(const std::string& output, const std::string& word) {
  const std::size_t at = output.starts_with(word) ? 0 : output.find("\n" + word) + 1;
  if (at == 0 && !output.starts_with(word)) return "";
  return output.substr(at, output.find('\n', at) - at);
}

// A limit that cannot be seen from inside must be in the kernel as it was asked for.
bool is_in_force(Demand demand, const json::object& evidence) {
  if (static_cast<std::size_t>(demand) >= kLimitCount) return true;  // a promise without a number
  const json::value &requested = evidence.at("requested"), &read_back = evidence.at("read_back");
  return requested.is_null() || read_back.is_null() || requested == read_back;
}

std::string problem_of(const Trial& trial, const Ran& ran, const Row& row, const json::object& evidence,
                       const Outside& outside) {
  const bool is_strong = rung_number(row.rung) >= static_cast<int>(Rung::strong);
  if (rung_number(row.rung) < rung_number(row.required))
    return "the rung is lower than promised: " + row.required;
  if (const std::string line = line_with(ran.output, "ESCAPED "); !line.empty()) return line;
  if (const std::string line = line_with(ran.output, "SEEN "); is_strong && !line.empty()) return line;
  const bool right =
      std::find(trial.verdicts.begin(), trial.verdicts.end(), ran.verdict) != trial.verdicts.end();
  // Below strong, a limit may show as a call that fails, and the verdict be the program's own.
  const bool own =
      ran.verdict == Verdict::failed || ran.verdict == Verdict::signaled || ran.verdict == Verdict::ok;
  if (!right && (is_strong || !own)) return std::string("the verdict is ") + verdict_name(ran.verdict);
  if (ran.verdict == Verdict::ok && trial.demand != Demand::output &&
      ran.output.find("done ") == std::string::npos)
    return "the program did not come to its end";
  if (trial.hit && is_strong && evidence.at("hit") != json::value(true))
    return "the evidence does not say that the limit was reached";
  if (!is_in_force(trial.demand, evidence)) return "the kernel reads back another limit than was set";
  if (trial.demand == Demand::output && ran.output.size() > 2 * kTrialOutput)
    return "more output came through than the limit";
  if (trial.demand == Demand::network && outside.was_reached())
    return "the box reached a listener of the host";
  if (trial.demand == Demand::kill && outside.daemon_lives()) return "the daemon outlives its box";
  return "";
}

Row judge(const Trial& trial, const Ran& ran, const Outside& outside, const BoxOptions& promised) {
  Row row;
  row.demand = trial.demand;
  BoxOptions options = promised;
  if (static_cast<std::size_t>(trial.demand) < kLimitCount &&
      options.limits.value[static_cast<std::size_t>(trial.demand)] == 0)
    options.limits.value[static_cast<std::size_t>(trial.demand)] = 1;  // it is set in the trial
  row.required = rung_name(required_rung(options, trial.demand));
  row.verdict = verdict_name(ran.verdict);
  if (ran.report.empty() || ran.report.at("box").is_null()) {
    row.why = ran.complaint.empty() ? "there was no box" : ran.complaint.substr(0, ran.complaint.find('\n'));
    return row;
  }
  row.box = std::string(ran.report.at("box").at("kind").get_string());
  const json::object& evidence = ran.report.at("demands").at(demand_name(trial.demand)).get_object();
  row.rung = std::string(evidence.at("rung").get_string());
  row.mechanism = std::string(evidence.at("mechanism").get_string());
  row.why = problem_of(trial, ran, row, evidence, outside);
  row.passed = row.why.empty();
  return row;
}

// ---- the certificate

std::string cgroup_layout() {
  struct statfs top {
  }, unified{};
  constexpr long kCgroup2 = 0x63677270;  // CGROUP2_SUPER_MAGIC
  if (::statfs("/sys/fs/cgroup", &top) != 0) return "none";
  if (top.f_type == kCgroup2) return "v2";
  return ::statfs("/sys/fs/cgroup/unified", &unified) == 0 && unified.f_type == kCgroup2 ? "hybrid" : "v1";
}

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  struct tm parts {};
  char text[32];
  ::gmtime_r(&now, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// coreutils': a library for one figure that nobody waits for would triple this program.
json::value sha256_of(const std::string& path) {
  const UniqueFd output(::memfd_create("output", MFD_CLOEXEC)),
      messages(::memfd_create("messages", MFD_CLOEXEC));
  const Result<int> status = run_program({"/usr/bin/sha256sum", "--", path}, output.get(), messages.get());
  const std::string text = text_in(output.get());
  return status && *status == 0 && text.size() > 64 ? json::value(text.substr(0, 64)) : json::value(nullptr);
}

json::object certificate_of(const std::vector<Row>& rows) {
  bool passed = !rows.empty();
  std::string box;
  json::object demands;
  for (const Row& row : rows) {
    passed = passed && row.passed;
    if (!row.box.empty()) box = row.box;
    demands[demand_name(row.demand)] = {
        {"passed", row.passed},
        {"rung", row.rung},
        {"required", row.required},
        {"mechanism", row.mechanism},
        {"verdict", row.verdict},
        {"problem", row.why.empty() ? json::value(nullptr) : json::value(row.why)}};
  }
  const Result<std::string> core = CoreClient::program();
  return {{"schema", 1},
          {"date", now_utc()},
          {"passed", passed},
          {"host", certified_host()},
          {"box", box.empty() ? json::value(nullptr) : json::value(box)},
          {"uid", static_cast<std::int64_t>(::geteuid())},
          {"cgroups", cgroup_layout()},
          {"sha256",
           {{"autodriver", sha256_of("/proc/" + std::to_string(::getpid()) + "/exe")},
            {"autodriver_core", core ? sha256_of(*core) : json::value(nullptr)}}},
          {"demands", demands}};
}

int complain(const Error& error, int status) {
  std::fprintf(stderr, "autodriver: %s\n", error.line().c_str());
  return status;
}

void print_row(const Row& row, std::size_t number, std::size_t count) {
  std::printf("[%2zu/%zu] %-11s %-6s %-11s %s\n", number, count, demand_name(row.demand),
              row.passed ? "held" : "FAILED", row.rung.c_str(),
              row.passed ? row.mechanism.c_str() : row.why.c_str());
  std::fflush(stdout);
}

Result<int> try_all(const Arguments& arguments) {
  const Outside outside = TRY(Outside::make());
  const std::vector<Trial> all = trials();
  std::vector<Row> rows;
  for (const Trial& trial : all) {
    if (::isatty(STDERR_FILENO) != 0)
      std::fprintf(stderr, "[%2zu/%zu] %s...\033[K\r", rows.size() + 1, all.size(), trial.tries);
    rows.push_back(judge(trial, TRY(run_box(trial, outside)), outside, arguments.box));
    if (!arguments.json) print_row(rows.back(), rows.size(), all.size());
  }
  const json::object certificate = certificate_of(rows);
  if (!arguments.certificate.empty()) TRY(write_certificate(arguments.certificate, certificate));
  const bool passed = certificate.at("passed").get_bool();
  if (arguments.json)
    std::puts(json::serialize(certificate).c_str());
  else
    std::printf("%s; certificate: %s\n", passed ? "All promises held" : "NOT all promises held",
                arguments.certificate.empty() ? "none (no HOME)" : arguments.certificate.c_str());
  return std::fflush(stdout) == 0 ? (passed ? 0 : 1) : 3;
}

}  // namespace

int selftest(const std::vector<std::string>& words) {
  if (words.size() == 7 && words[0] == "--attempt")  // in the box
    return attempt_in_box(words[1], Planted::from({words.begin() + 2, words.end()}));
  const Result<Arguments> arguments = parse(words);
  if (!arguments) return complain(arguments.error(), 64);
  if (arguments->help) return std::fputs(kUsage, stdout) < 0 ? 3 : 0;
  const Result<int> status = try_all(*arguments);
  return status ? *status : complain(status.error(), 3);
}

std::string selftest_help() {
  return kUsage;
}

}  // namespace milonga
