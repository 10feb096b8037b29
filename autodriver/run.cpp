#include "autodriver/run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "autodriver/core_client.h"
#include "autodriver/delegation.h"
#include "autodriver/input_sender.h"
#include "autodriver/output_pump.h"
#include "autodriver/request_builder.h"
#include "autodriver/tango_face.h"
#include "autodriver/warm_job.h"
#include "base/core/clock.h"
#include "sandbox/model/request.h"

namespace milonga {
namespace {

// After the core has answered nothing of the box is alive, so the output pipe
// has ended. Should it not, we do not wait for ever.
constexpr int kOutputGraceMs = 10'000;

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("create a pipe", "");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<> make_non_blocking(int fd) {
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return fail_errno("set up a pipe", "");
  return {};
}

// SIGINT, SIGTERM and SIGHUP become readable on a descriptor.
Result<UniqueFd> catch_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal);
  ::signal(SIGPIPE, SIG_IGN);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno("block signals", "");
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return fail_errno("create a signalfd", "");
  return fd;
}

// ---- before anything runs

struct Prepared {
  UniqueFd directory;
  std::vector<InputEntry> entries;
  std::string work_name = "work";  // of a command without a directory
};

bool has_makefile(const std::vector<InputEntry>& entries) {
  for (const InputEntry& entry : entries) {
    for (const char* name : kMakefileNames) {
      if (entry.path == name) return true;
    }
  }
  return false;
}

// "." and "a/.." have names as well.
Result<std::string> base_name(const std::string& directory) {
  std::error_code error;
  const std::string name = std::filesystem::canonical(directory, error).filename().string();
  if (error) return fail_errno("resolve", directory, "", error.value());
  if (name.empty()) return fail("'" + directory + "' is the whole system", "name the directory of one job");
  return name;
}

Result<Prepared> prepare(const CommandLine& line, UniqueFd directory, std::string work_name) {
  Prepared prepared{std::move(directory), {}, std::move(work_name)};
  prepared.entries = TRY(list_input(prepared.directory.get(), line.directory));
  if (line.command.empty() && !has_makefile(prepared.entries)) {
    return fail("no Makefile in '" + line.directory + "'",
                "add one, or say what to run: --command -- ARGV...");
  }
  return prepared;
}

Result<Prepared> prepare(const CommandLine& line) {
  if (line.directory.empty()) return Prepared{};
  UniqueFd directory(::open(line.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid())
    return fail_errno("open", line.directory, "it must be a directory with the job's files");
  std::string work_name = TRY(base_name(line.directory));
  return prepare(line, std::move(directory), std::move(work_name));
}

// ---- while it runs

class Run {
 public:
  Run(CoreClient core, InputSender input, OutputPump output, UniqueFd signals, const CommandLine& line)
      : core_(std::move(core)),
        input_(std::move(input)),
        output_(std::move(output)),
        signals_(std::move(signals)),
        line_(line) {
    outcome_.limits = line.box.limits;
    outcome_.profile = line.box.profile;
    outcome_.made_ahead = line.warm;
    lifeline_ = line.lifeline ? STDIN_FILENO : -1;
  }

  RunResult to_the_end();

 private:
  enum Event : std::size_t { kAnswer, kOutput, kStdout, kInput, kSignals, kLifeline, kEvents };

  void wait_for_events();
  void on_output();
  void on_answer();
  void judge_output();
  void cancel();
  void on_signal();
  void on_lifeline();
  void check(const Result<>& result, Step step);
  void finish_output();
  RunResult result();

  CoreClient core_;
  InputSender input_;
  OutputPump output_;
  UniqueFd signals_;
  const CommandLine& line_;
  int lifeline_;
  std::array<pollfd, kEvents> events_{};
  Outcome outcome_;
  bool cancelled_ = false;          // by a signal or the end of the lifeline
  std::uint64_t overflown_ns_ = 0;  // when the output was seen to be beyond a fatal limit; 0: it was not
  bool answered_ = false;           // or the core is gone
  bool finished_ = false;           // all output has been read; what is left is being written
  bool given_up_ = false;           // asked to end while only our own stdout is waited for
};

// Our own failure: the box has to go, and the run has not been judged.
void Run::check(const Result<>& result, Step step) {
  if (result || !outcome_.error.empty()) return;
  outcome_.error = result.error().line();
  outcome_.response.failed_step = step;
  core_.cancel();
}

// Where too much output is fatal, the box is ended by a cancel of ours; what it
// writes until it is dead is drained and counted as ever.
void Run::on_output() {
  check(output_.on_readable(), Step::run);
  if (!line_.box.output_limit_fatal || overflown_ns_ != 0 || cancelled_ || !output_.overflown()) return;
  overflown_ns_ = now_ns();
  core_.cancel();
}

// The first limit crossed, by the clock, counts: the core knows of all others when
// they were, and calls our own cancel `cancelled`. What was written by a command
// that came to its end before we read it was written while it ran.
void Run::judge_output() {
  Response& r = outcome_.response;
  const bool judged = r.verdict != Verdict::refused && r.verdict != Verdict::internal_error;
  if (overflown_ns_ == 0 || !judged) return;
  if (r.detected_ns != 0 && r.detected_ns < overflown_ns_) return;
  r.verdict = Verdict::output_limit;
  r.detected_ns = overflown_ns_;
}

void Run::on_answer() {
  answered_ = true;
  const Result<Response> response = core_.receive();
  if (!response) return check(tl::unexpected(response.error()), Step::run);
  const Step failed_step = outcome_.response.failed_step;
  outcome_.response = *response;
  if (outcome_.error.empty()) return;
  outcome_.response.verdict = Verdict::internal_error;  // ours came first
  outcome_.response.failed_step = failed_step;
  outcome_.response.failed_errno = 0;
}

void Run::on_signal() {
  signalfd_siginfo info;
  if (::read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
  cancel();
}

void Run::cancel() {
  if (finished_) given_up_ = true;
  cancelled_ = true;
  core_.cancel();
}

void Run::on_lifeline() {
  char ignored[256];
  const ssize_t n = ::read(lifeline_, ignored, sizeof ignored);
  if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return;
  lifeline_ = -1;
  cancel();
}

void Run::wait_for_events() {
  events_[kAnswer] = {answered_ ? -1 : core_.socket(), POLLIN, 0};
  events_[kOutput] = {output_.reading(), POLLIN, 0};
  events_[kStdout] = {output_.writing(), POLLOUT, 0};
  events_[kInput] = {answered_ ? -1 : input_.writing(), POLLOUT, 0};
  events_[kSignals] = {signals_.get(), POLLIN, 0};
  events_[kLifeline] = {lifeline_, POLLIN, 0};
  const bool late = answered_ && !finished_;
  const int ready = ::poll(events_.data(), events_.size(), late ? kOutputGraceMs : -1);
  if (ready < 0 && errno != EINTR) bug("poll failed");
  if (ready == 0) {
    check(fail("the job's output did not end with its box"), Step::reap);
    finish_output();
  }
  if (ready <= 0) events_ = {};
}

// Everything has been read: the headline is known, the rest can go out.
void Run::finish_output() {
  finished_ = true;
  outcome_.output_bytes = output_.total();
  outcome_.output_kept_bytes = output_.kept();
  outcome_.output_sha256 = output_.sha256();
  judge_output();
  if (!outcome_.error.empty()) outcome_.response.verdict = Verdict::internal_error;
  output_.finish(line_.stream ? "" : tango_headline(view_of(outcome_)) + "\n");
}

RunResult Run::to_the_end() {
  while (!given_up_ && !(finished_ && output_.writing() < 0)) {
    wait_for_events();
    if (events_[kOutput].revents != 0) on_output();
    if (events_[kStdout].revents != 0) output_.on_writable();
    if (events_[kInput].revents != 0) check(input_.on_writable(), Step::input);
    if (events_[kSignals].revents != 0) on_signal();
    if (events_[kLifeline].revents != 0) on_lifeline();
    if (events_[kAnswer].revents != 0) on_answer();
    if (answered_ && !finished_ && output_.reading() < 0) finish_output();
  }
  return result();
}

RunResult Run::result() {
  RunResult result;
  const ReportView view = view_of(outcome_);
  result.exit_code = tango_exit_code(view.verdict);
  if (!view.error.empty())
    result.complaint = std::string(verdict_name(view.verdict)) + " at " + view.error;
  else if (line_.stream && line_.report_file.empty())
    result.complaint = job_sentence(view);
  if (!output_.write_error().empty() || given_up_) {
    result.exit_code = 3;
    result.complaint = given_up_ ? "ended before all output was written" : output_.write_error();
  }
  result.outcome = std::move(outcome_);
  return result;
}

// A box under way, which waits for its input if it has any, and our ends of its pipes.
struct Box {
  CoreClient core;
  UniqueFd output, input, signals;
};

Result<Box> make_box(const CommandLine& line, const std::string& work_name, bool has_input) {
  const UniqueFd image = TRY(open_image(line.box.image));
  const DelegatedCgroups cgroups =
      CoreClient::is_privileged() ? DelegatedCgroups{} : find_delegated_cgroups();
  const UniqueFd request = TRY(build_run_request(
      {line.box, work_name, line.command.empty() ? std::vector<std::string>{"make"} : line.command, has_input,
       image.valid(), cgroups.any()}));
  UniqueFd signals = TRY(catch_signals());
  Pipe output = TRY(make_pipe());
  Pipe input;
  if (has_input) input = TRY(make_pipe());
  CoreClient core = TRY(CoreClient::start(
      {request.get(), output.write.get(), input.read.get(), image.get(), cgroups.numbers()}));
  // What is ours of the other ends goes with the two Pipes: they stay with the core alone, so that ends are
  // seen.
  TRY(make_non_blocking(output.read.get()));
  if (has_input) TRY(make_non_blocking(input.write.get()));
  return Box{std::move(core), std::move(output.read), std::move(input.write), std::move(signals)};
}

Run run_in(Box box, Prepared prepared, const CommandLine& line) {
  InputSender input;
  if (box.input.valid())
    input = InputSender(std::move(prepared.directory), std::move(prepared.entries), std::move(box.input));
  OutputPump output(std::move(box.output), STDOUT_FILENO, line.box.limits[LimitId::output],
                    line.stream ? OutputPump::Mode::live : OutputPump::Mode::at_end);
  return Run(std::move(box.core), std::move(input), std::move(output), std::move(box.signals), line);
}

// A run that came to nothing before there was a box.
RunResult refused(const CommandLine& line, const Error& error, Step step, int exit_code) {
  RunResult result;
  result.outcome.response.verdict = Verdict::refused;
  result.outcome.response.failed_step = step;
  result.outcome.error = error.line();
  result.outcome.limits = line.box.limits;
  result.outcome.profile = line.box.profile;
  result.exit_code = exit_code;
  result.complaint = error.line();
  return result;
}

// The box first, then its job, if one comes.
RunResult run_warm(CommandLine& line) {
  const std::string work_name = std::filesystem::path(line.directory).filename().string();
  Result<Box> box = make_box(line, work_name, true);
  if (!box) return refused(line, box.error(), Step::request, 3);
  Result<std::optional<WarmJob>> job = receive_warm_job(STDIN_FILENO, box->core.socket(), box->signals.get());
  if (!job) return refused(line, job.error(), Step::request, 3);
  if (!*job) {
    RunResult result;
    result.no_job = true;
    return result;
  }
  line.report_file = (*job)->report_file;
  (void)(*job)->lock.release();  // held until this process ends
  if (::dup2((*job)->output.get(), STDOUT_FILENO) < 0 || ::dup2((*job)->errors.get(), STDERR_FILENO) < 0)
    bug("dup2 failed");
  Result<Prepared> prepared = prepare(line, std::move((*job)->directory), work_name);
  if (!prepared) return refused(line, prepared.error(), Step::input, 1);
  return run_in(std::move(*box), std::move(*prepared), line).to_the_end();
}

}  // namespace

RunResult run_job(CommandLine& line) {
  if (line.warm) return run_warm(line);
  Result<Prepared> prepared = prepare(line);
  if (!prepared) return refused(line, prepared.error(), Step::input, 1);
  Result<Box> box = make_box(line, prepared->work_name, prepared->directory.valid());
  if (!box) return refused(line, box.error(), Step::request, 3);
  return run_in(std::move(*box), std::move(*prepared), line).to_the_end();
}

Result<> collect() {
  const UniqueFd request = TRY(build_collect_request());
  const DelegatedCgroups cgroups =
      CoreClient::is_privileged() ? DelegatedCgroups{} : find_delegated_cgroups();
  CoreClient core = TRY(CoreClient::start({.request = request.get(), .cgroups = cgroups.numbers()}));
  Outcome outcome;
  outcome.response = TRY(core.receive());
  if (outcome.response.verdict == Verdict::ok) return {};
  return fail(view_of(outcome).error);
}

}  // namespace milonga
