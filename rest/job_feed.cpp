#include "rest/job_feed.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <charconv>

#include "rest/name.h"

namespace milonga::rest {
namespace {

constexpr std::size_t kPiece = 32 * 1024;  // bytes of output in one event

class JobFeed : public Feed {
 public:
  JobFeed(QueuePool& queue, queue::JobId id, std::function<std::string(const queue::Status&)> describe,
          std::atomic<int>& open_feeds)
      : queue_(queue), id_(id), describe_(std::move(describe)), open_feeds_(open_feeds) {
    ++open_feeds_;
  }
  ~JobFeed() override { --open_feeds_; }
  JobFeed(const JobFeed&) = delete;
  JobFeed& operator=(const JobFeed&) = delete;

  Result<void> begin(const std::string& last_event_id) {
    // "attempt.offset"
    const char* end = last_event_id.data() + last_event_id.size();
    const auto read = std::from_chars(last_event_id.data(), end, attempt_);
    if (read.ec == std::errc() && read.ptr != end && *read.ptr == '.')
      (void)std::from_chars(read.ptr + 1, end, offset_);
    both_.reset(::epoll_create1(EPOLL_CLOEXEC));
    output_news_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!both_.valid() || !output_news_.valid())
      return fail_errno("watch", "the job", "raise fs.inotify.max_user_instances");
    TRY(look());
    if (!status_) return fail("there is no such job");
    return add_to_both(state_news_.get()) && add_to_both(output_news_.get()) ? Result<void>()
                                                                             : fail_errno("watch", "the job");
  }

  [[nodiscard]] int fd() const override { return both_.get(); }

  std::string next(bool& end) override {
    std::string events;
    for (char drop[4096]; ::read(output_news_.get(), drop, sizeof drop) > 0;) continue;
    // What could not be read for a passing reason is read at the next news.
    if (!fresh_ && is_readable(state_news_.get()) && !look()) return {};
    fresh_ = false;
    if (!status_) return end = true, events;  // it was set aside
    const bool done = status_->state == queue::State::done;
    if (status_->state == queue::State::running) open_output(status_->live_output);
    events = output();
    if (!events.empty()) return state() + events;  // and is asked again at once
    end = done;
    return done ? event("end", describe_(*status_)) : state();
  }

 private:
  bool add_to_both(int fd) {
    epoll_event want{};
    want.events = EPOLLIN;
    return ::epoll_ctl(both_.get(), EPOLL_CTL_ADD, fd, &want) == 0;
  }

  // First the watch, then the look: what changes in between is in the watch.
  Result<void> look() {
    return queue_.use([&](queue::Queue& q) -> Result<void> {
      const int watched = TRY(q.watch(id_, state_news_.get()));
      if (!state_news_.valid()) state_news_.reset(watched);
      status_ = TRY(q.find(id_));
      fresh_ = true;
      return {};
    });
  }

  // The job, if it is not what was said last.
  std::string state() {
    if (status_->state == queue::State::done) return {};
    std::string shown = describe_(*status_);
    if (shown == told_) return {};
    told_ = std::move(shown);
    return event("state", told_);
  }

  static bool is_readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, 0) == 1;
  }

  // Of the attempt that runs. It stays open: so its end is read although the runner has removed it.
  void open_output(const std::string& path) {
    if (attempt_ != status_->attempt) {
      attempt_ = status_->attempt;
      offset_ = 0;
      file_.reset();
    }
    if (file_.valid()) return;
    // The work directory is watched, and the runner's until that is there.
    const std::string work = path.substr(0, path.rfind('/'));
    constexpr std::uint32_t kEvents = IN_MODIFY | IN_CREATE | IN_MOVED_TO;
    if (::inotify_add_watch(output_news_.get(), work.c_str(), kEvents) < 0)
      (void)::inotify_add_watch(output_news_.get(), work.substr(0, work.rfind('/')).c_str(), kEvents);
    file_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  }

  std::string output() {
    if (!file_.valid()) return {};
    std::string piece(kPiece, '\0');
    const ssize_t n = ::pread(file_.get(), piece.data(), piece.size(), static_cast<off_t>(offset_));
    if (n <= 0) return {};
    piece.resize(static_cast<std::size_t>(n));
    const boost::json::object said{{"attempt", attempt_}, {"at", offset_}, {"text", lossy_utf8(piece)}};
    offset_ += piece.size();
    return fmt::format("id: {}.{}\n", attempt_, offset_) + event("output", boost::json::serialize(said));
  }

  static std::string event(const char* name, const std::string& data) {
    return fmt::format("event: {}\ndata: {}\n\n", name, data);
  }

  QueuePool& queue_;
  const queue::JobId id_;
  std::function<std::string(const queue::Status&)> describe_;
  std::atomic<int>& open_feeds_;
  UniqueFd both_, state_news_, output_news_, file_;
  std::optional<queue::Status> status_;
  std::string told_;
  bool fresh_ = false;
  int attempt_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace

Result<std::unique_ptr<Feed>> follow_job(QueuePool& queue, queue::JobId id, const std::string& last_event_id,
                                         std::function<std::string(const queue::Status&)> describe,
                                         std::atomic<int>& open_feeds) {
  auto feed = std::make_unique<JobFeed>(queue, id, std::move(describe), open_feeds);
  TRY(feed->begin(last_event_id));
  return std::unique_ptr<Feed>(std::move(feed));
}

}  // namespace milonga::rest
