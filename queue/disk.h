// The only door from the spool to the disk: every call that changes or reads
// state. Two implementations: LinuxDisk, and tests/queue's CrashDisk, a model of
// a file system on which nothing is durable until its own fsync.
//
// Paths are relative to the spool's root and made of plain components. Errors
// carry errno in Error::code; callers look at ENOENT, EEXIST and ENOSPC.
//
// What the spool asks of a real file system (ext4 and XFS give it): a rename or
// link changes both names or neither, also over a crash.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace milonga::queue {

struct FileInfo {
  bool exists = false;
  bool directory = false;
  std::uint64_t size = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;

  // Whether this process is who the spool belongs to. Others may look; what they
  // wrote, the daemon could not read (a root's job in nobody's spool).
  virtual Result<void> may_write() = 0;

  // A new file at `path`, open for writing; EEXIST if the name is taken. The handle is closed by close_file().
  virtual Result<int> create(const std::string& path) = 0;
  virtual Result<void> write(int file, std::string_view bytes) = 0;
  // fsync(2). An error is final: the page cache may claim success next time (fsyncgate); never retry.
  virtual Result<void> sync_file(int file) = 0;
  virtual void close_file(int file) = 0;
  // Opens, fsyncs and closes an existing file that somebody else wrote.
  virtual Result<void> sync_path(const std::string& path) = 0;
  // Makes names in this directory durable.
  virtual Result<void> sync_directory(const std::string& path) = 0;

  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;  // RENAME_NOREPLACE
  virtual Result<void> link(const std::string& from, const std::string& to) = 0;    // EEXIST: first wins
  virtual Result<void> unlink(const std::string& path) = 0;
  virtual Result<void> make_directory(const std::string& path) = 0;  // EEXIST if it is there
  virtual Result<void> remove_directory(const std::string& path) = 0;
  virtual Result<void> remove_tree(const std::string& path) = 0;     // ENOENT is success

  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // names, unordered
  virtual Result<std::string> read(const std::string& path, std::uint64_t limit) = 0;  // EFBIG beyond the limit
  virtual Result<FileInfo> info(const std::string& path) = 0;                  // not there: exists = false
  // Hands a plain file's content to `take`, piece by piece; ends at the first failure of it. Anything else: EINVAL.
  using Take = std::function<Result<void>(std::string_view)>;
  virtual Result<void> stream(const std::string& path, const Take& take) = 0;

  // Puts `bytes` at an absolute path outside the spool: temporary file beside it, fsync, rename, fsync of the folder.
  virtual Result<void> publish(const std::string& absolute_path, const std::string& from_path) = 0;

  // An exclusive lock that dies with this process. EWOULDBLOCK: somebody alive has it.
  class Lock {
   public:
    virtual ~Lock() = default;
  };
  virtual Result<std::unique_ptr<Lock>> lock(const std::string& path) = 0;  // creates the file

  // A name for this process that no other, past or future, has; and whether its bearer lives.
  virtual std::string owner() = 0;
  virtual bool owner_is_alive(const std::string& owner) = 0;

  virtual std::string absolute(const std::string& path) const = 0;
  virtual std::int64_t now_ms() = 0;  // UTC, Unix time
};

}  // namespace milonga::queue
