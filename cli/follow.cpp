#include "cli/follow.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>

#include "base/core/unique_fd.h"
#include "cli/command.h"

namespace milonga::cli {
namespace {

constexpr int kLeaving = 2000;  // ms, from the result to its job's leaving the runner

Result<> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write", "the output of the job");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

void empty_inotify(int fd) {
  std::array<char, 4096> events;
  while (::read(fd, events.data(), events.size()) > 0) continue;
}

std::uint64_t size_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

// Is the content of `part` the end of that of `whole`?
bool ends_with(int whole, int part) {
  const std::uint64_t whole_size = size_of(whole), size = size_of(part);
  if (size > whole_size) return false;
  std::array<char, 16384> a, b;
  std::uint64_t at = 0;
  while (at < size) {
    const ssize_t n = ::pread(part, a.data(), a.size(), static_cast<off_t>(at));
    if (n <= 0) return false;
    const auto length = static_cast<std::size_t>(n);
    if (::pread(whole, b.data(), length, static_cast<off_t>(whole_size - size + at)) != n) return false;
    if (std::memcmp(a.data(), b.data(), length) != 0) return false;
    at += length;
  }
  return true;
}

// The output of the running attempt, copied as it grows.
class LiveOutput {
 public:
  explicit LiveOutput(int to_fd) : to_fd_(to_fd) {}

  // Takes the status of a running job: (re)opens the output of its attempt and copies what is new.
  Result<> look(const queue::Status& running) {
    if (running.live_output != path_) start_over();
    path_ = running.live_output;
    if (!news_.valid()) {
      news_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
      if (!news_.valid()) return fail_errno("watch", path_, "raise fs.inotify.max_user_instances");
    }
    return copy();
  }

  // The attempt has ended without a result: the next one writes to a file of its
  // own, even where that has the same name.
  void start_over() {
    if (copied_ > 0) complain("the job is run again from its beginning", kOk);
    copied_ = 0;
    work_is_watched_ = false;
    path_.clear();
    file_.reset();
    news_.reset();
  }

  Result<> copy() {
    if (news_.valid()) empty_inotify(news_.get());
    if (news_.valid() && !work_is_watched_) TRY(watch_work());
    if (!file_.valid()) file_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file_.valid()) return {};  // not yet, or the attempt has ended
    copied_ += TRY(copy_rest(file_.get(), to_fd_));
    return {};
  }

  // The rest, once the job is done. The feedback is what was live, most often with
  // lines of the runner before it: then nothing is said twice.
  Result<> finish(const queue::Status& done) {
    if (file_.valid()) TRY(copy());
    if (!done.result) return {};  // its record cannot be read
    if (copied_ > 0 && !done.result->feedback_path.empty()) {
      const UniqueFd feedback(::open(done.result->feedback_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
      if (feedback.valid() && ends_with(feedback.get(), file_.get())) return {};
      complain("the feedback of the whole job follows", kOk);
    }
    return copy_feedback(done, to_fd_);
  }

  // Readable when there is more; -1: nothing is followed.
  [[nodiscard]] int news() const { return news_.get(); }

 private:
  // A job is claimed a moment before its work directory is made: until then it is
  // the runner's, one above, that tells of it.
  Result<> watch_work() {
    const std::string work = path_.substr(0, path_.rfind('/')), runner = work.substr(0, work.rfind('/'));
    const auto watch = [&](const std::string& directory) -> Result<bool> {  // false: it is not there
      constexpr std::uint32_t kEvents = IN_MODIFY | IN_CREATE | IN_MOVED_TO;
      if (::inotify_add_watch(news_.get(), directory.c_str(), kEvents) >= 0) return true;
      return errno == ENOENT ? Result<bool>(false) : Result<bool>(fail_errno("watch", directory));
    };
    work_is_watched_ = TRY(watch(work));
    if (work_is_watched_ || !TRY(watch(runner))) return {};
    work_is_watched_ = TRY(watch(work));  // made between the two
    return {};
  }

  int to_fd_;
  std::string path_;
  std::uint64_t copied_ = 0;
  bool work_is_watched_ = false;  // else, until it is there, its parent is
  UniqueFd file_, news_;
};

}  // namespace

Result<std::uint64_t> copy_rest(int from_fd, int to_fd) {
  std::array<char, 65536> buffer;
  std::uint64_t copied = 0;
  while (true) {
    const ssize_t n = ::read(from_fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", "the output of the job");
    if (n == 0) return copied;
    TRY(write_all(to_fd, {buffer.data(), static_cast<std::size_t>(n)}));
    copied += static_cast<std::uint64_t>(n);
  }
}

Result<> copy_feedback(const queue::Status& done, int to_fd) {
  if (!done.result) return {};
  const std::string& path = done.result->feedback_path;
  if (path.empty()) return {};
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) return fail_errno("open the feedback", path);
  TRY(copy_rest(file.get(), to_fd));
  return {};
}

Result<std::optional<queue::Status>> follow(queue::Queue& queue, queue::JobId id, int output_fd,
                                            const std::function<void(const queue::Status&)>& seen) {
  LiveOutput live(output_fd);
  UniqueFd change;
  bool patience_over = false;
  while (true) {
    // First the watch, then the look: what changes in between is in the watch.
    // Each time anew, because runners come with directories of their own.
    const int watched = TRY(queue.watch(id, change.get()));
    if (!change.valid()) change.reset(watched);
    auto status = TRY(queue.find(id));
    if (!status) return status;
    // The result stands some moments before the runner has published it. A runner that died meanwhile is not
    // waited for.
    const bool leaving = status->state == queue::State::done && !status->left && !patience_over;
    if (!leaving) seen(*status);
    const bool running = status->state == queue::State::running;
    if (output_fd >= 0 && running) TRY(live.look(*status));
    if (status->state == queue::State::waiting) live.start_over();
    if (status->state == queue::State::done && !leaving) {
      if (output_fd >= 0) TRY(live.finish(*status));
      // Closing it takes milliseconds, which nobody shall wait for: the process ends soon.
      (void)change.release();
      return status;
    }
    // Of standard output only POLLERR, which is told unasked: nobody reads it any more.
    pollfd wait[3] = {{change.get(), POLLIN, 0}, {live.news(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
    do {
      const int ready = ::poll(wait, 3, leaving ? kLeaving : -1);
      if (ready < 0 && errno != EINTR) return fail_errno("wait for", "the job");
      if (ready == 0) patience_over = true;
      if ((wait[2].revents & POLLERR) != 0) return fail_errno("write to", "standard output", {}, EPIPE);
      if (wait[1].revents != 0) TRY(live.copy());
    } while (wait[0].revents == 0 && !patience_over);
  }
}

}  // namespace milonga::cli
