#include "runner/callbacks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/log.h"
#include "base/utf8.h"
#include "runner/feedback.h"

namespace milonga::runner {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLargest =
    64u << 20;  // bytes of feedback in one callback; Autolab's column takes 16 MiB
constexpr std::string_view kElided = "\n...[excess bytes elided]...\n";  // autodriver's own words
constexpr std::size_t kReadAtOnce = 50;  // records that are looked at before the loop does something else
constexpr milliseconds kTroublePause{5'000};    // before what the disk refused is tried again
constexpr milliseconds kLongestClosed{60'000};  // of a receiver, however many requests failed in a row

std::int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::int64_t pause_after(int failures, milliseconds first, milliseconds longest) {
  std::int64_t pause = first.count();
  for (int i = 1; i < failures && pause < longest.count(); ++i) pause *= 2;
  return std::min<std::int64_t>(pause, longest.count());
}

Result<void> append(int fd, off_t from, std::size_t size, std::string& to) {
  const std::size_t before = to.size();
  to.resize(before + size);
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::pread(fd, to.data() + before + done, size - done, from + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("read", "the feedback", {}, n == 0 ? EIO : errno);
    done += static_cast<std::size_t>(n);
  }
  return {};
}

// The feedback, or of one that is too large the beginning and the end, where the scores are.
Result<std::string> feedback_of(const queue::Status& status) {
  const queue::ResultRecord& result = *status.result;
  if (result.feedback_path.empty())  // it was cancelled before it ran, or its runner died
    return feedback_header(status.job, result.reason, {status.job.created_ms, result.finished_ms});
  const UniqueFd fd(::open(result.feedback_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return fail_errno("open", result.feedback_path);
  std::string text;
  if (result.feedback_size <= kLargest) {
    TRY(append(fd.get(), 0, result.feedback_size, text));
  } else {
    TRY(append(fd.get(), 0, kLargest / 2, text));
    text += kElided;
    TRY(append(fd.get(), static_cast<off_t>(result.feedback_size - kLargest / 2), kLargest / 2, text));
  }
  return only_utf8(text);
}

// A line that no job can foresee, and so none can put into its output.
std::string new_boundary() {
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) bug("getrandom(2) failed");
  std::string text = "milonga-";
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

// One part "file" with a file name, and no content type: what Tango sends (Autolab calls .read on it).
std::string multipart(const std::string& boundary, const std::string& feedback) {
  return fmt::format(
      "--{0}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\r\n{1}\r\n--{0}--\r\n",
      boundary, feedback);
}

std::string file_name(const queue::Job& job) {
  return job.output.empty() ? "feedback" : job.output.substr(job.output.rfind('/') + 1);
}

// The query of a callback's URL is a password (Autolab's `dave`): it is in no log and no note.
std::string without_secret(std::string text, const std::string& url, const UrlTarget& target) {
  for (std::size_t at = text.find(url); at != std::string::npos; at = text.find(url))
    text.replace(at, url.size(), target.origin());
  return text;
}

bool is_receivers_fault(const Result<HttpReply>& reply) {
  return !reply || reply->status >= 500 || reply->status == 429;
}

}  // namespace

Callbacks::Callbacks(EventLoop& loop, queue::Queue& queue, queue::Outbox& outbox, CallbackOptions options)
    : loop_(loop), queue_(queue), outbox_(outbox), options_(std::move(options)) {}

Callbacks::~Callbacks() {
  loop_.cancel(timer_);
}

void Callbacks::say(const Known& known, const std::string& text) const {
  log(Level::info, fmt::format("job={} callback to {}: {}", known.callback.id, known.target.origin(), text));
}

void Callbacks::on_news() {
  auto changed = outbox_.take_changes();
  if (!changed) {
    log(Level::warning, changed.error().line() + "; callbacks are looked at again in 5 s");
    loop_.after(kTroublePause, [this] { on_news(); });
    return;
  }
  const bool idle = fresh_.empty();
  fresh_.insert(fresh_.end(), changed->begin(), changed->end());
  if (idle) read_some();
}

// In pieces: after a long outage there may be many.
void Callbacks::read_some() {
  for (std::size_t i = 0; i < kReadAtOnce && !fresh_.empty(); ++i) {
    const queue::Callback callback = std::move(fresh_.front());
    fresh_.pop_front();
    take(callback);
  }
  pump();
  if (!fresh_.empty()) loop_.post([this] { read_some(); });
}

void Callbacks::take(const queue::Callback& callback) {
  if (callback.state != queue::CallbackState::owed) return;
  if (const auto known = known_.find(callback.id); known != known_.end()) {
    Known& k = known->second;
    if (!callback.again) return;
    Receiver& receiver = receivers_[k.target.origin()];
    const bool waits = receiver.waiting.erase({k.callback.due_ms, callback.id}) > 0;
    k.callback = callback;  // of one under way: if it fails, its next try is the first one again
    if (waits) receiver.waiting.emplace(callback.due_ms, callback.id);
    receiver.closed_until_ms = 0;
    return;
  }
  const auto status = queue_.find(callback.id);
  if (!status || (*status && !(*status)->result)) {
    log(Level::warning, fmt::format("job={} callback waits for the next start: {}", callback.id,
                                    status ? "the job's result cannot be read" : status.error().line()));
    return;
  }
  Known known;
  known.callback = callback;
  const auto target =
      *status ? parse_url((*status)->job.callback_url) : Result<UrlTarget>(fail("there is no such job"));
  if (!target) {
    known.callback.state = queue::CallbackState::given_up;
    known.callback.last = target.error().line();
    log(Level::warning, fmt::format("job={} callback given up: {}", callback.id, known.callback.last));
    ++counts_.given_up;
    return keep(known.callback);
  }
  known.target = *target;
  known.url = (*status)->job.callback_url;
  known.expires_ms = (*status)->result->finished_ms + options_.expiry.count();
  // A clock that was ahead when this was written must not make it wait for days.
  known.callback.due_ms = std::min(callback.due_ms, unix_ms() + options_.longest_retry.count());
  receivers_[target->origin()].waiting.emplace(known.callback.due_ms, callback.id);
  known_.emplace(callback.id, std::move(known));
}

void Callbacks::pump() {
  if (stopping_) return;
  const std::int64_t now = unix_ms();
  std::int64_t next_ms = std::numeric_limits<std::int64_t>::max();
  for (auto& [origin, receiver] : receivers_) pump(receiver, now, next_ms);
  std::erase_if(receivers_,
                [](const auto& r) { return r.second.waiting.empty() && r.second.under_way == 0; });
  loop_.cancel(timer_);
  if (next_ms == std::numeric_limits<std::int64_t>::max()) return;
  timer_ = loop_.after(milliseconds(std::max<std::int64_t>(1, next_ms - now)), [this] { pump(); });
}

void Callbacks::pump(Receiver& receiver, std::int64_t now, std::int64_t& next_ms) {
  const std::size_t most = receiver.failures > 0 ? 1 : options_.at_once_each;
  while (!receiver.waiting.empty() && receiver.under_way < most && under_way_ < options_.at_once) {
    const auto [due, id] = *receiver.waiting.begin();
    const std::int64_t when = std::max(due, receiver.closed_until_ms);
    if (when > now) {
      next_ms = std::min(next_ms, when);
      return;
    }
    receiver.waiting.erase(receiver.waiting.begin());
    send(id, receiver);
  }
}

void Callbacks::send(queue::JobId id, Receiver& receiver) {
  Known& known = known_.at(id);
  ++receiver.under_way;
  ++under_way_;
  if (const auto posted = post(id, known); !posted)
    loop_.post([this, id, error = posted.error()] { on_answer(id, Unexpected(error)); });
}

Result<void> Callbacks::post(queue::JobId id, Known& known) {
  const auto status = TRY(queue_.find(id));
  if (!status || !status->result) return fail("the job's result is not there any more");
  if (client_ == nullptr) client_ = TRY(HttpClient::create(loop_));
  const std::string boundary = new_boundary();
  HttpRequest request;
  request.method = "POST";
  request.url = known.url;
  request.headers = {"Content-Type: multipart/form-data; boundary=" + boundary,
                     "Filename: " + file_name(status->job), "User-Agent: milonga/" MILONGA_VERSION};
  request.body = multipart(boundary, TRY(feedback_of(*status)));
  request.deadline = options_.deadline;
  request.insecure = options_.insecure.names(known.target);
  known.not_allowed = false;
  request.may_connect = [this, id, target = known.target](const sockaddr& address) {
    const bool may = options_.allow.allows(target, address);
    if (const auto now = known_.find(id); !may && now != known_.end()) now->second.not_allowed = true;
    return may;
  };
  known.request =
      client_->send(std::move(request), [this, id](const Result<HttpReply>& reply) { on_answer(id, reply); });
  return {};
}

void Callbacks::on_answer(queue::JobId id, const Result<HttpReply>& reply) {
  Known& known = known_.at(id);
  Receiver& receiver = receivers_[known.target.origin()];
  known.request = 0;
  --receiver.under_way;
  --under_way_;
  receiver.failures = is_receivers_fault(reply) ? receiver.failures + 1 : 0;
  receiver.closed_until_ms =
      receiver.failures == 0
          ? 0
          : unix_ms() + pause_after(receiver.failures, options_.first_retry, kLongestClosed);
  if (reply && reply->ok()) {
    queue::Callback& callback = known.callback;
    callback.state = queue::CallbackState::delivered;
    ++callback.tries;
    callback.at_ms = unix_ms();
    callback.last = fmt::format("status {}", reply->status);
    ++counts_.delivered;
    say(known, fmt::format("delivered: {}, try {}", callback.last, callback.tries));
    keep(callback);
    known_.erase(id);
  } else if (known.not_allowed) {
    fail_try(id, fmt::format("the address of '{}' is not public, and not allowed (callbacks.allow)",
                             known.target.host));
  } else if (reply) {
    const bool redirect = reply->status >= 300 && reply->status < 400;
    fail_try(id, fmt::format("status {}{}", reply->status, redirect ? " (redirects are not followed)" : ""));
  } else {
    fail_try(id, without_secret(reply.error().line(), known.url, known.target));
  }
  if (!stopping_) return pump();
  if (under_way_ == 0 && drained_) loop_.post(std::exchange(drained_, nullptr));
}

void Callbacks::fail_try(queue::JobId id, const std::string& why) {
  Known& known = known_.at(id);
  queue::Callback& callback = known.callback;
  ++callback.tries;
  ++counts_.failed;
  callback.at_ms = unix_ms();
  callback.last = why;
  if (callback.at_ms < known.expires_ms) {
    const std::int64_t pause = pause_after(callback.tries, options_.first_retry, options_.longest_retry);
    callback.due_ms = callback.at_ms + pause;
    say(known, fmt::format("try {} failed: {}; the next in {:.0f} s", callback.tries, why,
                           static_cast<double>(pause) / 1000));
    keep(callback);
    receivers_[known.target.origin()].waiting.emplace(callback.due_ms, id);
    return;
  }
  callback.state = queue::CallbackState::given_up;
  ++counts_.given_up;
  log(Level::warning, fmt::format("job={} callback to {} given up after {} tries: {} (send it again with: "
                                  "milonga callbacks retry {})",
                                  id, known.target.origin(), callback.tries, why, id));
  keep(callback);
  known_.erase(id);
}

// What was delivered is noted until it is on the disk; all else the next try says again.
void Callbacks::keep(const queue::Callback& callback) {
  const auto kept = outbox_.keep(callback);
  if (kept) return;
  log(Level::warning,
      fmt::format("job={} what became of its callback cannot be kept: {}", callback.id, kept.error().line()));
  if (callback.state == queue::CallbackState::delivered && !stopping_)
    loop_.after(kTroublePause, [this, callback] { keep(callback); });
}

void Callbacks::stop(milliseconds grace, std::function<void()> drained) {
  stopping_ = true;
  loop_.cancel(timer_);
  if (under_way_ == 0) return loop_.post(std::move(drained));
  drained_ = std::move(drained);
  loop_.after(grace, [this] {
    std::vector<HttpClient::Id> requests;
    for (const auto& [id, known] : known_)
      if (known.request != 0) requests.push_back(known.request);
    for (const HttpClient::Id request : requests) client_->cancel(request);
  });
}

}  // namespace milonga::runner
