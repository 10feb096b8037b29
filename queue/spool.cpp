#include "queue/spool.h"

#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "queue/disk_linux.h"
#include "queue/inputs.h"
#include "queue/record.h"

namespace milonga::queue {
namespace {

constexpr std::string_view kFormat = "milonga-spool 1 ";
constexpr const char* kDirectories[] = {"id", "tmp", "blob", "ready", "run", "work", "done", "bad"};

std::string random_uuid() {
  std::string uuid;
  std::getline(std::ifstream("/proc/sys/kernel/random/uuid"), uuid);
  return uuid;
}

}  // namespace

Spool::Spool(std::unique_ptr<Disk> disk, int max_attempts, bool watch)
    : disk_(std::move(disk)), max_attempts_(max_attempts), watch_(watch) {}

Result<std::unique_ptr<Queue>> open_spool(SpoolOptions options) {
  const bool real = options.disk == nullptr;
  if (real) {
    options.disk = TRY(open_linux_disk(options.path, options.create));
    if (const std::string why = unfit_file_system(options.path, options.allow_volatile); !why.empty())
      return fail(fmt::format("'{}' is no place for a spool: {}", options.path, why),
                  "put it on a local ext4 or XFS file system, or allow it with --volatile");
  }
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
        name != "lost+found" && name != "lock")
      return fail(fmt::format("'{}' is neither empty nor a spool: it has '{}'", disk_->absolute(""), name),
                  "name an empty or a new directory");
  for (const char* name : kDirectories)
    if (auto made = disk_->make_directory(name); !made && made.error().code != EEXIST) return made;
  if (TRY(disk_->list("id")).empty()) TRY(write_file("id/1", ""));
  TRY(disk_->sync_directory("id"));
  TRY(disk_->sync_directory("."));
  const std::string unfinished = temporary("format");
  TRY(write_file(unfinished, std::string(kFormat) + random_uuid() + "\n"));
  TRY(disk_->rename(unfinished, "FORMAT"));
  return disk_->sync_directory(".");
}

std::string Spool::temporary(const char* what) {
  return fmt::format("tmp/{}.{}.{}", what, disk_->owner(), ++sequence_);
}

// Also where it is there already: who made it may have been killed before the flush.
Result<void> Spool::ensure_directory(const std::string& path, const std::string& parent) {
  const bool there = TRY(disk_->info(path)).exists;
  if (there && flushed_.contains(path)) return {};
  if (!there)
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

// The next id is the name of the one file in id/; who renames it onward owns it.
Result<JobId> Spool::allocate_id() {
  for (;;) {
    const std::vector<std::string> names = TRY(disk_->list("id"));
    JobId id = 0;
    for (const std::string& name : names)
      (void)std::from_chars(name.data(), name.data() + name.size(), id);
    if (id <= 0) return fail("the spool has lost its next id", "restart milongad: it restores it");
    if (id == 0x7fffffff) return fail("all job ids are used up");
    auto moved = disk_->rename(fmt::format("id/{}", id), fmt::format("id/{}", id + 1));
    if (!moved && moved.error().code == ENOENT) continue;  // somebody was faster
    TRY(std::move(moved));
    TRY(disk_->sync_directory("id"));  // else a crash hands it out again
    return id;
  }
}

Result<JobId> Spool::submit(Job job, const std::string& source_dir) {
  if (job.submitter.empty()) job.submitter = fmt::format("uid:{}", ::getuid());
  TRY(check_job(job));
  job.files = TRY(store_inputs(*disk_, source_dir, [this] { return temporary("blob"); }));
  job.id = TRY(allocate_id());
  job.created_ms = disk_->now_ms();
  const std::string record = write_job(job);
  if (record.size() > kMaxJobRecord)
    return fail(fmt::format("the job's record of {} files is larger than {} KiB", job.files.size(), kMaxJobRecord / 1024),
                "submit an archive of the files");
  const std::string lane = "ready/" + encode_lane(job.lane);
  TRY(ensure_directory(lane, "ready"));
  const std::string unfinished = temporary("job");
  TRY(write_file(unfinished, record));
  if (auto placed = disk_->rename(unfinished, lane + "/" + JobName::first(job).text()); !placed) {
    (void)disk_->unlink(unfinished);
    return Unexpected(placed.error());
  }
  TRY(disk_->sync_directory(lane));
  return job.id;
}

Result<void> Spool::copy_input(const InputFile& file, int to_fd) { return disk_->copy_out(blob_path(file.sha256), to_fd); }

}  // namespace milonga::queue
