// Looking: nothing here changes the spool.
#include <fmt/format.h>
#include <sys/inotify.h>

#include <algorithm>
#include <charconv>

#include "base/core/unique_fd.h"
#include "queue/record.h"
#include "queue/spool.h"

namespace milonga::queue {
namespace {

// Position in the order in which jobs of one class start.
bool before(const JobName& a, const JobName& b) {
  if (a.job_class != b.job_class) return a.job_class == JobClass::interactive;
  return a.id < b.id;
}

}  // namespace

Result<std::vector<Spool::Place>> Spool::places() {
  std::vector<Place> all;
  for (const auto& [top, state] : {std::pair{"ready", State::waiting}, std::pair{"run", State::running}})
    for (const std::string& folder : TRY(disk_->list(top))) {
      const std::string directory = fmt::format("{}/{}", top, folder);
      const auto names = disk_->list(directory);
      if (!names) continue;  // a runner that resigned meanwhile, or no directory
      for (const std::string& file : *names)
        if (const auto name = JobName::parse(file)) all.push_back({state, directory, *name});
    }
  return all;
}

Result<ResultRecord> Spool::result_of(JobId id) {
  const std::string path = fmt::format("{}/{}.res", shard_of(id), id);
  auto result = read_result(TRY(disk_->read(path, kMaxResultRecord)));
  if (!result) return fail(fmt::format("'{}': {}", disk_->absolute(path), result.error().line()));
  return result;
}

Result<std::optional<ResultRecord>> Spool::find_result(JobId id) {
  auto result = result_of(id);
  if (!result && result.error().code == ENOENT) return std::optional<ResultRecord>();
  return std::optional(TRY(std::move(result)));
}

// A record that cannot be read is told of, so that one does not hide all others. The
// id is known from its name.
Result<void> Spool::read_job_of(JobId id, const std::string& path, Status& status) {
  status.job.id = id;
  const auto bytes = disk_->read(path, kMaxJobRecord);
  if (!bytes && bytes.error().code == ENOENT) return Unexpected(bytes.error());  // it has moved on
  auto job = bytes ? read_job(*bytes) : Result<Job>(Unexpected(bytes.error()));
  if (job && job->id != id) job = fail(fmt::format("field 'id' is {}, but the name says {}", job->id, id));
  if (job)
    status.job = std::move(*job);
  else if (!bytes)
    status.record_error = bytes.error().line();
  else
    status.record_error = fmt::format("'{}': {}", disk_->absolute(path), job.error().line());
  return {};
}

// `position`: of one that waits.
Result<Status> Spool::describe(const Place& place, std::int64_t position) {
  Status status;
  status.state = place.state;
  status.attempt = place.name.attempt;
  const std::string path = place.directory + "/" + place.name.text();
  TRY(read_job_of(place.name.id, path, status));
  if (place.state == State::waiting) {
    status.position = position;
    return status;
  }
  status.runner = place.directory.substr(4);
  status.live_output = disk_->absolute(work_dir(status.runner, place.name) + "/output");
  status.cancel_requested = TRY(is_marked_cancelled(status.runner, place.name.id));
  return status;
}

Result<std::optional<Status>> Spool::describe_done(JobId id) {
  if (id <= 0 || !TRY(has_result(id))) return std::optional<Status>{};
  Status status;
  status.state = State::done;
  status.left = read_job_of(id, fmt::format("{}/{}.job", shard_of(id), id), status).has_value();
  auto result = result_of(id);
  if (!result && result.error().code == ENOENT) return std::optional<Status>{};  // it was set aside meanwhile
  if (!result) {
    status.record_error = result.error().line();
    return std::optional(status);
  }
  status.result = std::move(*result);
  status.attempt = status.result->attempt;
  if (const auto note = disk_->read(fmt::format("{}/{}.unpublished", shard_of(id), id), 4096))
    status.publish_error = *note;
  return std::optional(status);
}

Result<std::optional<Status>> Spool::find(JobId id) {
  // Done first: a job that is done and still in run/ is done for everyone. If it
  // is nowhere it may have moved past us: then it is done now, or waits again.
  for (int round = 0; round < 3; ++round) {
    auto done = TRY(describe_done(id));
    if (done && (done->job.created_ms != 0 || !done->record_error.empty())) return done;
    const std::vector<Place> all = TRY(places());
    if (done) {  // its record has not left its runner yet, or just now
      for (const Place& place : all)
        if (place.name.id == id) (void)read_job_of(id, place.directory + "/" + place.name.text(), *done);
      if (done->job.created_ms == 0) (void)read_job_of(id, fmt::format("{}/{}.job", shard_of(id), id), *done);
      return done;
    }
    for (const Place& place : all)
      if (place.name.id == id) {
        const auto position = std::count_if(all.begin(), all.end(), [&](const Place& other) {
          return other.state == State::waiting && before(other.name, place.name);
        });
        if (auto status = describe(place, position); status || status.error().code != ENOENT)
          return std::optional<Status>(TRY(std::move(status)));
      }
  }
  return std::optional<Status>{};
}

// Names in all of done/. What lies there and is no directory is not ours.
Result<std::vector<std::string>> Spool::done_files() {
  std::vector<std::string> all;
  for (const std::string& shard : TRY(disk_->list("done"))) {
    auto names = disk_->list("done/" + shard);
    if (!names && (names.error().code == ENOTDIR || names.error().code == ELOOP)) continue;
    for (std::string& name : TRY(std::move(names))) all.push_back(std::move(name));
  }
  return all;
}

Result<std::vector<Runner>> Spool::runners() {
  constexpr std::uint64_t kMostAbout = 64 * 1024;  // bytes
  std::vector<Runner> living;
  for (const std::string& name : TRY(disk_->list("run"))) {
    if (!disk_->owner_is_alive(name.substr(0, name.rfind('-')))) continue;
    const auto files = disk_->list("run/" + name);
    if (!files) continue;  // it resigned meanwhile, or is no directory
    Runner runner{name, disk_->read("work/" + name + "/about", kMostAbout).value_or(""), 0};
    for (const std::string& file : *files) runner.running += JobName::parse(file) ? 1 : 0;
    living.push_back(std::move(runner));
  }
  std::sort(living.begin(), living.end(), [](const Runner& a, const Runner& b) { return a.name < b.name; });
  return living;
}

Result<std::vector<Status>> Spool::list(std::size_t limit) {
  std::vector<Status> out;
  std::vector<Place> all = TRY(places());
  std::sort(all.begin(), all.end(), [](const Place& a, const Place& b) { return a.name.id < b.name.id; });
  std::vector<JobId> done;
  for (const std::string& file : TRY(done_files()))
    if (file.ends_with(".res")) {
      JobId id = 0;
      (void)std::from_chars(file.data(), file.data() + file.size(), id);
      done.push_back(id);
    }
  std::sort(done.begin(), done.end());
  std::vector<const Place*> waiting;  // as they will be claimed
  for (const Place& place : all)
    if (place.state == State::waiting) waiting.push_back(&place);
  std::sort(waiting.begin(), waiting.end(), [](const Place* a, const Place* b) { return before(a->name, b->name); });
  std::map<JobId, std::int64_t> positions;
  for (std::size_t i = 0; i < waiting.size(); ++i) positions[waiting[i]->name.id] = static_cast<std::int64_t>(i);
  const std::size_t active = std::min(all.size(), limit == 0 ? all.size() : limit);
  const std::size_t skip = limit != 0 && done.size() + active > limit ? done.size() + active - limit : 0;
  for (std::size_t i = skip; i < done.size(); ++i)
    if (auto status = TRY(describe_done(done[i]))) out.push_back(std::move(*status));
  for (std::size_t i = 0; i < active; ++i) {
    if (std::binary_search(done.begin(), done.end(), all[i].name.id)) continue;
    const auto position = positions.find(all[i].name.id);
    auto status = describe(all[i], position == positions.end() ? -1 : position->second);
    if (status)
      out.push_back(std::move(*status));
    else if (status.error().code != ENOENT)
      return Unexpected(status.error());
  }
  return out;
}

Result<Stats> Spool::stats() {
  Stats s;
  for (const Place& place : TRY(places())) ++(place.state == State::waiting ? s.waiting : s.running);
  for (const std::string& file : TRY(done_files())) s.done += file.ends_with(".res");
  for (const std::string& file : TRY(disk_->list("bad"))) s.bad += !file.ends_with(".why");
  return s;
}

Result<int> Spool::watch(JobId id, int earlier) {
  UniqueFd made(earlier >= 0 ? -1 : ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (earlier < 0 && !made.valid())
    return fail_errno("watch the spool", disk_->absolute(""), "raise fs.inotify.max_user_instances");
  const int fd = earlier >= 0 ? earlier : made.get();
  for (char events[4096]; ::read(fd, events, sizeof events) > 0;) continue;
  const auto add = [&](const std::string& path) {
    return ::inotify_add_watch(fd, disk_->absolute(path).c_str(),
                               IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR) >= 0;
  };
  if (!add("run"))
    return fail_errno("watch the spool", disk_->absolute(""), "raise fs.inotify.max_user_watches");
  // Who looks makes nothing: until somebody makes the shard, that is what is waited for.
  if (!add(shard_of(id)) && (!add("done") || (!add(shard_of(id)) && errno != ENOENT)))
    return fail_errno("watch the spool", disk_->absolute(""));
  for (const char* top : {"ready", "run"})
    for (const std::string& folder : TRY(disk_->list(top))) (void)add(fmt::format("{}/{}", top, folder));
  (void)made.release();
  return fd;
}

}  // namespace milonga::queue
