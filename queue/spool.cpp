#include "queue/spool.h"

#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>

#include "base/sha256.h"
#include "base/utf8.h"
#include "queue/disk_linux.h"
#include "queue/inputs.h"
#include "queue/record.h"

namespace milonga::queue {
namespace {

constexpr std::string_view kFormat = "milonga-spool 1 ";
constexpr const char* kDirectories[] = {"id", "tmp", "blob", "ready", "run", "work", "done", "outbox", "bad"};

std::string random_uuid() {
  std::string uuid;
  std::getline(std::ifstream("/proc/sys/kernel/random/uuid"), uuid);
  return uuid;
}

}  // namespace

Spool::Spool(std::unique_ptr<Disk> disk, int max_attempts, bool watch)
    : disk_(std::move(disk)), max_attempts_(max_attempts), watch_(watch), outbox_(*disk_, watch) {}

Result<std::unique_ptr<Queue>> open_spool(SpoolOptions options) {
  const bool real = options.disk == nullptr;
  if (real) {
    options.disk = TRY(open_linux_disk(options.path, options.create));
    if (const std::string why = unfit_file_system(options.path, options.allow_volatile); !why.empty())
      return fail(fmt::format("'{}' is no place for a spool: {}", options.path, why),
                  "put it on a local ext4 or XFS file system, or allow it with --volatile");
  }
  if (!is_utf8(options.disk->absolute("")))  // results name files by it
    return fail(fmt::format("'{}' is no place for a spool: its path is not UTF-8", to_utf8(options.path)), "rename the directory");
  auto spool = std::make_unique<Spool>(std::move(options.disk), options.max_attempts, real);
  TRY(spool->open(options.create));
  return std::unique_ptr<Queue>(std::move(spool));
}

Result<void> Spool::open(bool create) {
  const FileInfo format = TRY(disk_->info("FORMAT"));
  if (!format.exists) {
    if (!create)
      return fail(fmt::format("no spool at '{}'", disk_->absolute("")),
                  "start the daemon: milongad --spool DIR, or name another with --spool");
    return make_layout();
  }
  const std::string line = TRY(disk_->read("FORMAT", 256));
  if (line.rfind(kFormat, 0) != 0)
    return fail(fmt::format("'{}' says '{}', not '{}…'", disk_->absolute("FORMAT"), line.substr(0, line.find('\n')), kFormat),
                "this spool is of another version of Milonga");
  return {};
}

// FORMAT last: what has no FORMAT was never used. An interrupted beginning of
// ours is finished; a directory with anything else in it is not ours to take.
Result<void> Spool::make_layout() {
  for (const std::string& name : TRY(disk_->list(".")))
    if (std::find(std::begin(kDirectories), std::end(kDirectories), name) == std::end(kDirectories) &&
        name != "lost+found" && name != "lock" && name != "FORMAT")  // that one: made by another since we looked
      return fail(fmt::format("'{}' is neither empty nor a spool: it has '{}'", disk_->absolute(""), name),
                  "name an empty or a new directory");
  TRY(make_directories());
  if (TRY(disk_->list("id")).empty())
    if (auto first = write_file("id/1", ""); !first && first.error().code != EEXIST) return first;
  TRY(disk_->sync_directory("id"));
  TRY(disk_->sync_directory("."));
  const std::string unfinished = temporary("format");
  TRY(write_file(unfinished, std::string(kFormat) + random_uuid() + "\n"));
  auto named = disk_->rename(unfinished, "FORMAT");
  if (!named && named.error().code == EEXIST) named = disk_->unlink(unfinished);  // another began it at the same time
  TRY(std::move(named));
  return disk_->sync_directory(".");
}

Result<void> Spool::make_directories() {
  for (const char* name : kDirectories)
    if (auto made = disk_->make_directory(name); !made && made.error().code != EEXIST) return made;
  return {};
}

std::string Spool::temporary(const char* what) {
  static std::atomic<std::uint64_t> sequence = 0;  // of the process: it may have the spool open more than once
  return fmt::format("tmp/{}.{}.{}", what, disk_->owner(), ++sequence);
}

// Also where it is there already: who made it may have been killed before the flush.
Result<void> Spool::ensure_directory(const std::string& path, const std::string& parent) {
  FileInfo there = TRY(disk_->info(path));
  if (there.exists && !there.directory) {
    quarantine(parent, path.substr(parent.size() + 1), fmt::format("it is not a directory; {}/ holds nothing else", parent));
    there.exists = false;
  }
  if (there.exists && flushed_.contains(path)) return {};
  if (!there.exists)
    if (auto made = disk_->make_directory(path); !made && made.error().code != EEXIST) return made;
  TRY(disk_->sync_directory(parent));
  flushed_.insert(path);
  return {};
}

// A new file, whole and flushed; its name is not durable yet. Nothing is left on failure.
Result<void> Spool::write_file(const std::string& path, std::string_view bytes) {
  const int file = TRY(disk_->create(path));
  Result<void> done = disk_->write(file, bytes);
  if (done && !bytes.empty()) done = disk_->sync_file(file);  // of an empty file its name is all there is
  disk_->close_file(file);
  if (!done) (void)disk_->unlink(path);
  return done;
}

bool is_broken(const Error& error) {
  // No errno: it was read and makes no sense. The others: it is no plain file.
  constexpr int kKinds[] = {0, EINVAL, EFBIG, ELOOP, ENOTDIR, EISDIR};
  return std::find(std::begin(kKinds), std::end(kKinds), error.code) != std::end(kKinds);
}

// The record under that name, if it is one and of that id.
Result<Job> Spool::read_record(const std::string& directory, const JobName& name) {
  const std::string bytes = TRY(disk_->read(directory + "/" + name.text(), kMaxJobRecord));
  Job job = TRY(read_job(bytes));
  if (job.id != name.id) return fail(fmt::format("field 'id' is {}, but the name says {}", job.id, name.id));
  return job;
}

// Out of the way, kept, with the reason beside it; the queue goes on. What cannot
// be moved stays, and is tried again by the next listing.
void Spool::quarantine(const std::string& directory, const std::string& name, const std::string& why) {
  constexpr std::size_t kLongest = 200;  // with the suffixes well below NAME_MAX
  const std::string kept = name.size() <= kLongest ? name : name.substr(0, kLongest - 17) + "-" + sha256_hex(name).substr(0, 16);
  Result<void> moved = fail("its name is taken a thousand times in bad/");
  std::string to = "bad/" + kept;
  for (int n = 1; n <= 1000; ++n) {
    moved = disk_->rename(directory + "/" + name, to);
    if (moved || moved.error().code != EEXIST) break;
    to = fmt::format("bad/{}.{}", kept, n);
  }
  if (!moved && moved.error().code == ENOENT && !disk_->info(directory + "/" + name).value_or(FileInfo{}).exists)
    return;  // somebody else did
  const std::string what = fmt::format("'{}/{}': {}", directory, to_utf8(name), why);
  if (!moved) {
    notes_.push_back(fmt::format("{}; it cannot be set aside: {}", what, moved.error().line()));
    return;
  }
  ++quarantined_;
  notes_.push_back(fmt::format("{}; set aside as '{}'", what, to_utf8(disk_->absolute(to))));
  // The reason is a help, the file itself is what must not be lost.
  (void)disk_->unlink(to + ".why");
  (void)write_file(to + ".why", fmt::format("{}/{}: {}\n", directory, name, why));
  (void)disk_->sync_directory("bad");
}

// The next id is the name of the one file in id/; who renames it onward owns it.
Result<JobId> Spool::allocate_id() {
  for (;;) {
    const std::vector<std::string> names = TRY(disk_->list("id"));
    JobId id = 0;
    for (const std::string& name : names) id = std::max(id, parse_id(name));
    if (id <= 0) return fail("the spool has lost its next id", "restart milongad: it restores it");
    if (id == kLastId) return fail("all job ids are used up");
    auto moved = disk_->rename(fmt::format("id/{}", id), fmt::format("id/{}", id + 1));
    if (!moved && moved.error().code == ENOENT) continue;  // somebody was faster
    TRY(std::move(moved));
    TRY(disk_->sync_directory("id"));  // else a crash hands it out again
    return id;
  }
}

Result<JobId> Spool::submit(Job job, const std::string& source_dir) {
  TRY(disk_->may_write());
  if (job.submitter.empty()) job.submitter = fmt::format("uid:{}", ::getuid());
  TRY(check_job(job));
  job.files = TRY(store_inputs(*disk_, source_dir, [this] { return temporary("blob"); }));
  job.created_ms = disk_->now_ms();
  job.id = kLastId;  // no real id is longer: what is read back now is read back later
  const std::string draft = write_job(job);
  if (draft.size() > kMaxJobRecord)
    return fail(fmt::format("the job's record of {} files is larger than {} KiB", job.files.size(), kMaxJobRecord / 1024),
                "submit an archive of the files");
  TRY(read_job(draft));
  job.id = TRY(allocate_id());
  const std::string lane = "ready/" + encode_lane(job.lane);
  TRY(ensure_directory(lane, "ready"));
  const std::string unfinished = temporary("job");
  TRY(write_file(unfinished, write_job(job)));
  if (auto placed = disk_->rename(unfinished, lane + "/" + JobName::first(job).text()); !placed) {
    (void)disk_->unlink(unfinished);
    return Unexpected(placed.error());
  }
  TRY(disk_->sync_directory(lane));
  return job.id;
}

Result<void> Spool::copy_input(const InputFile& file, int to_fd) {
  Sha256 hash;
  TRY(disk_->stream(blob_path(file.sha256), [&](std::string_view bytes) -> Result<void> {
    hash.add(bytes);
    while (!bytes.empty()) {
      const ssize_t n = ::write(to_fd, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("copy the input", file.path);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }));
  if (hash.hex() != file.sha256)
    return fail(fmt::format("the input '{}' is not what was submitted: '{}' was changed or has rotted", file.path,
                            disk_->absolute(blob_path(file.sha256))),
                "submit the job again");
  return {};
}

}  // namespace milonga::queue
