#include "runner/vmm/exec_verb.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/vmm/outcome.h"

namespace milonga::runner {
namespace {

constexpr std::size_t kMostOutput = 1 << 20;  // bytes of an answer: a list of names
constexpr std::size_t kMostErrors = 4096;     // of these the last

// A file in memory, read from its beginning.
Result<UniqueFd> input_with(const std::string& text) {
  UniqueFd fd(::memfd_create("verb", MFD_CLOEXEC));
  if (!fd.valid()) return fail_errno("make the input of", "a verb");
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd.get(), text.data() + done, text.size() - done);
    if (n <= 0) return fail_errno("make the input of", "a verb");
    done += static_cast<std::size_t>(n);
  }
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return fail_errno("make the input of", "a verb");
  return fd;
}

Result<std::pair<UniqueFd, UniqueFd>> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe", "");
  std::pair<UniqueFd, UniqueFd> pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  (void)::fcntl(ends[0], F_SETFL, O_NONBLOCK);  // only our end: a verb may not expect it
  return pipe;
}

}  // namespace

Result<std::shared_ptr<Verb>> Verb::start(EventLoop& loop, const VerbPlan& plan, Done<VerbEnd> done) {
  std::shared_ptr<Verb> verb(new Verb(loop, std::move(done)));
  const UniqueFd input = TRY(input_with(plan.input));
  auto [errors, their_errors] = TRY(make_pipe());
  auto [output, their_output] = TRY(make_pipe());
  ChildPlan child;
  child.argv = {plan.helper, std::to_string(::getpid()), plan.program};
  child.environment = plan.environment;
  child.descriptors = {
      {input.get(), 0}, {plan.output < 0 ? their_output.get() : plan.output, 1}, {their_errors.get(), 2}};
  if (plan.lock >= 0) child.descriptors.emplace_back(plan.lock, 9);
  verb->child_ = TRY(Child::spawn(child));
  verb->errors_ = std::move(errors);
  verb->output_ = std::move(output);
  TRY(verb->watch(plan.deadline));
  return verb;
}

Result<void> Verb::watch(Deadline deadline) {
  TRY(loop_.when_readable(errors_.get(), [this] { read(errors_, end_.said, false); }));
  TRY(loop_.when_readable(output_.get(), [this] { read(output_, end_.output, true); }));
  TRY(loop_.when_readable(child_.pidfd(), [this] { on_end(); }));
  timer_ = loop_.after(deadline, [this, deadline] {
    timer_ = 0;
    stop(fmt::format("deadline of {:.1f} s passed", static_cast<double>(deadline.count()) / 1000));
  });
  return {};
}

Verb::~Verb() {
  loop_.cancel(timer_);
  for (UniqueFd* fd : {&errors_, &output_})
    if (fd->valid()) loop_.forget(fd->get());
  if (child_.pidfd() < 0) return;
  loop_.forget(child_.pidfd());
  child_.signal(SIGTERM);
}

// Whether there was something.
bool Verb::read(UniqueFd& from, std::string& to, bool keep_all) {
  char piece[16 * 1024];
  const ssize_t n = ::read(from.get(), piece, sizeof piece);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) {
    loop_.forget(from.get());
    from.reset();
    return false;
  }
  to.append(piece, static_cast<std::size_t>(n));
  if (keep_all && to.size() > kMostOutput) {
    to.clear();
    stop(fmt::format("it wrote more than {} bytes", kMostOutput));
  }
  if (!keep_all && to.size() > kMostErrors) to.erase(0, to.size() - kMostErrors);
  return true;
}

void Verb::stop(const std::string& why) {
  if (!stopped_because_.empty() || child_.pidfd() < 0) return;
  stopped_because_ = why;
  child_.signal(SIGTERM);  // exec-verb ends it in order, or else, and itself
}

void Verb::on_end() {
  loop_.forget(child_.pidfd());
  const Result<int> status = child_.reap();
  loop_.cancel(timer_);
  while (output_.valid() && read(output_, end_.output, true)) continue;  // what it wrote just before its end
  while (errors_.valid() && read(errors_, end_.said, false)) continue;
  end_.said = said_in_one_line(end_.said);
  if (status) end_.status = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
  Done<VerbEnd> done = std::move(done_);
  if (!stopped_because_.empty()) return done(fail(stopped_because_));
  if (!status) return done(Unexpected(status.error()));
  done(std::move(end_));
}

}  // namespace milonga::runner
