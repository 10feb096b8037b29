// A file system that forgets: an in-process model, weaker than any real one, on
// which nothing is durable until its own fsync. Real disks hide missing fsyncs,
// because the next one commits the whole journal; this one does not.
//
//   file data   durable by sync_file / sync_path of that file
//   a name      (create, link, unlink, mkdir, rmdir) by sync_directory of its directory
//   a rename    one unit, by sync_directory of the directory that it leads to
//
// After a crash, every name that was not synced is kept or lost independently of
// the others, and every file that was not synced is whole, torn or empty.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "queue/disk.h"

namespace milonga::queue {

// What outlives every crash: who has seen which published bytes.
struct Observer {
  std::map<std::string, std::set<std::string>> published;  // path -> contents that were ever there
  std::map<int, std::vector<std::string>> called;          // job -> what each of its callbacks said
};

enum class DataMode { whole, torn, empty };

class CrashFs {
 public:
  explicit CrashFs(std::shared_ptr<Observer> observer);

  // The n-th operation from now on, and all later ones, fail: the machine is off. Negative: never.
  void crash_at(int operation) { crash_at_ = operation; }
  [[nodiscard]] bool crashed() const { return crashed_; }
  // It was not the machine: only all processes were killed. What they wrote is there, flushed or not.
  void restart_processes();
  [[nodiscard]] int operations() const { return operations_; }

  // A sync whose site is in here does nothing: the seeded bug of the mutation check.
  std::set<std::string> broken_sites;
  std::set<std::string> sites_seen;

  [[nodiscard]] std::size_t pending() const { return pending_.size(); }
  [[nodiscard]] std::string pending_text(const std::vector<bool>& kept) const;
  // The disk as it may be found after the crash.
  [[nodiscard]] std::shared_ptr<CrashFs> materialise(const std::vector<bool>& kept, DataMode data) const;
  void observe(std::shared_ptr<Observer> observer) { observer_ = std::move(observer); }
  [[nodiscard]] Observer& observer() { return *observer_; }
  // Equal disks have equal texts.
  [[nodiscard]] std::string image() const;

 private:
  friend class CrashDisk;
  struct Inode {
    bool directory = false;
    std::map<std::string, int> names;    // as programs see it
    std::map<std::string, int> durable;  // as the disk has it
    std::string data, synced;
    bool is_synced = false;  // `synced` is all of `data`
  };
  enum class Kind { add, remove, move };
  struct Change {
    Kind kind = Kind::add;
    int directory = 0;
    std::string name;
    int inode = 0;
    int from_directory = -1;  // move
    std::string from_name;
    bool removes_directory = false;
  };

  int find(const std::string& path) const;  // -1: ENOENT
  bool step();  // false: the machine is off
  void log(Change change) { pending_.push_back(std::move(change)); }
  void apply(const Change& change, std::vector<Inode>& inodes) const;
  void sync_directory(int inode);
  [[nodiscard]] bool is_broken(const std::string& kind, const std::string& path);
  void image_of(int inode, const std::string& path, std::string& out) const;

  std::vector<Inode> inodes_;
  std::vector<Change> pending_;
  std::map<int, int> files_;  // handle -> inode
  std::set<std::string> locks_;
  std::shared_ptr<Observer> observer_;
  int operations_ = 0, crash_at_ = -1, next_handle_ = 1, processes_ = 0, epoch_ = 1;
  std::int64_t clock_ = 1'700'000'000'000;
  bool crashed_ = false;
};

// One process's view of the file system.
std::unique_ptr<Disk> make_crash_disk(std::shared_ptr<CrashFs> fs);

}  // namespace milonga::queue
