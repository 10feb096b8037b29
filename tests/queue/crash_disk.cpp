#include "tests/queue/crash_disk.h"

#include <algorithm>

namespace milonga::queue {
namespace {

Unexpected off() { return fail_errno("reach", "the disk", "the machine is off", ENODEV); }
Unexpected error(int code, const std::string& path) { return fail_errno("use", path, {}, code); }

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "tmp/job.e1p2.7" -> "tmp/job", "ready/default" -> "ready/*": what a line of code syncs, not which one this time.
std::string site_of(const std::string& kind, const std::string& path) {
  const auto slash = path.find('/');
  if (slash == std::string::npos) return kind + " " + path;
  const std::string top = path.substr(0, slash);
  if (top == "tmp") return kind + " tmp/" + path.substr(slash + 1, path.find('.') - slash - 1);
  if (top == "id") return kind + " id/*";
  return kind + " " + top + "/*";
}

}  // namespace

CrashFs::CrashFs(std::shared_ptr<Observer> observer) : observer_(std::move(observer)) {
  inodes_.emplace_back();
  inodes_[0].directory = true;
}

bool CrashFs::step() {
  if (!crashed_ && crash_at_ >= 0 && operations_ == crash_at_) crashed_ = true;
  if (crashed_) return false;
  ++operations_;
  return true;
}

void CrashFs::restart_processes() {
  crashed_ = false;
  crash_at_ = -1;
  files_.clear();
  locks_.clear();
  ++epoch_;
}

int CrashFs::find(const std::string& path) const {
  int at = 0;
  if (path == ".") return at;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const auto& names = inodes_[static_cast<std::size_t>(at)].names;
    const auto found = names.find(path.substr(begin, end - begin));
    if (found == names.end()) return -1;
    at = found->second;
    begin = end + 1;
  }
  return at;
}

void CrashFs::apply(const Change& c, std::vector<Inode>& inodes) const {
  auto& names = inodes[static_cast<std::size_t>(c.directory)].durable;
  if (c.kind == Kind::move) {
    auto& from = inodes[static_cast<std::size_t>(c.from_directory)].durable;
    if (const auto old = from.find(c.from_name); old != from.end() && old->second == c.inode) from.erase(old);
  }
  if (c.kind != Kind::remove) {
    names[c.name] = c.inode;
    return;
  }
  const auto old = names.find(c.name);
  if (old == names.end() || old->second != c.inode) return;
  // No file system loses a directory that still has something in it.
  if (c.removes_directory && !inodes[static_cast<std::size_t>(c.inode)].durable.empty()) return;
  names.erase(old);
}

void CrashFs::sync_directory(int inode) {
  std::vector<Change> left;
  for (Change& c : pending_) {
    if (c.directory != inode) {
      left.push_back(std::move(c));
      continue;
    }
    apply(c, inodes_);
    // A rename that is durable took the old name with it, also one that never was.
    if (c.kind == Kind::move)
      std::erase_if(left, [&](const Change& earlier) {
        return earlier.directory == c.from_directory && earlier.name == c.from_name && earlier.inode == c.inode;
      });
  }
  pending_ = std::move(left);
}

bool CrashFs::is_broken(const std::string& kind, const std::string& path) {
  const std::string site = site_of(kind, path);
  sites_seen.insert(site);
  return broken_sites.contains(site);
}

std::shared_ptr<CrashFs> CrashFs::materialise(const std::vector<bool>& kept, DataMode mode) const {
  auto after = std::make_shared<CrashFs>(observer_);
  std::vector<Inode> inodes = inodes_;
  for (std::size_t i = 0; i < pending_.size(); ++i)
    if (kept[i]) apply(pending_[i], inodes);
  for (Inode& inode : inodes) {
    inode.names = inode.durable;
    if (!inode.directory && !inode.is_synced) {
      // What was synced before stays; what came after it is there, half there or not.
      const std::string& all = inode.data;
      const std::size_t base = std::min(inode.synced.size(), all.size());
      const std::size_t extra = mode == DataMode::whole ? all.size() - base : mode == DataMode::torn ? (all.size() - base) / 2 : 0;
      inode.data = all.substr(0, base + extra);
    }
    inode.synced = inode.data;
    inode.is_synced = true;
  }
  after->inodes_ = std::move(inodes);
  after->epoch_ = epoch_ + 1;
  after->clock_ = clock_ + 60'000;
  after->broken_sites = broken_sites;
  return after;
}

std::string CrashFs::pending_text(const std::vector<bool>& kept) const {
  std::string out;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const Change& c = pending_[i];
    out += kept[i] ? "  kept " : "  lost ";
    out += c.kind == Kind::add ? "name " : c.kind == Kind::remove ? "removal of " : "rename to ";
    out += c.name + (c.kind == Kind::move ? " from " + c.from_name : std::string()) + "\n";
  }
  return out;
}

void CrashFs::image_of(int inode, const std::string& path, std::string& out) const {
  for (const auto& [name, child] : inodes_[static_cast<std::size_t>(inode)].names) {
    const Inode& c = inodes_[static_cast<std::size_t>(child)];
    out += path + name + (c.directory ? "/\n" : "\n" + c.data + "\n");
    if (c.directory) image_of(child, path + name + "/", out);
  }
}

std::string CrashFs::image() const {
  std::string out;
  image_of(0, "", out);
  return out;
}

class CrashDisk : public Disk {
 public:
  explicit CrashDisk(std::shared_ptr<CrashFs> fs)
      : fs_(std::move(fs)), owner_("e" + std::to_string(fs_->epoch_) + "p" + std::to_string(++fs_->processes_)) {}

  Result<void> may_write() override { return {}; }
  Result<int> create(const std::string& path) override {
    if (!fs_->step()) return off();
    const int dir = fs_->find(parent_of(path));
    if (dir < 0) return error(ENOENT, path);
    if (fs_->find(path) >= 0) return error(EEXIST, path);
    const int handle = fs_->next_handle_++;
    fs_->files_[handle] = add(dir, name_of(path), false);
    path_of_[handle] = path;
    return handle;
  }
  Result<void> write(int file, std::string_view bytes) override {
    if (!fs_->step()) return off();
    auto& inode = at(fs_->files_.at(file));
    inode.data += bytes;
    inode.is_synced = bytes.empty() && inode.is_synced;
    return {};
  }
  Result<void> sync_file(int file) override { return sync_inode(fs_->files_.at(file), "sync_file", path_of_[file]); }
  void close_file(int file) override {
    fs_->files_.erase(file);
    path_of_.erase(file);
  }
  Result<void> sync_path(const std::string& path) override {
    const int inode = fs_->find(path);
    if (inode < 0) return error(ENOENT, path);
    return sync_inode(inode, "sync_path", path);
  }
  Result<void> sync_directory(const std::string& path) override {
    if (!fs_->step()) return off();
    const int inode = fs_->find(path);
    if (inode < 0) return error(ENOENT, path);
    if (!fs_->is_broken("sync_directory", path)) fs_->sync_directory(inode);
    return {};
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    if (!fs_->step()) return off();
    const int inode = fs_->find(from), from_dir = fs_->find(parent_of(from)), to_dir = fs_->find(parent_of(to));
    if (inode < 0 || to_dir < 0) return error(ENOENT, from);
    if (fs_->find(to) >= 0) return error(EEXIST, to);
    at(from_dir).names.erase(name_of(from));
    at(to_dir).names[name_of(to)] = inode;
    fs_->log({CrashFs::Kind::move, to_dir, name_of(to), inode, from_dir, name_of(from), false});
    return {};
  }
  Result<void> link(const std::string& from, const std::string& to) override {
    if (!fs_->step()) return off();
    const int inode = fs_->find(from), dir = fs_->find(parent_of(to));
    if (inode < 0 || dir < 0) return error(ENOENT, from);
    if (fs_->find(to) >= 0) return error(EEXIST, to);
    at(dir).names[name_of(to)] = inode;
    fs_->log({CrashFs::Kind::add, dir, name_of(to), inode, -1, {}, false});
    return {};
  }
  Result<void> unlink(const std::string& path) override { return remove(path, false); }
  Result<void> make_directory(const std::string& path) override {
    if (!fs_->step()) return off();
    const int dir = fs_->find(parent_of(path));
    if (dir < 0) return error(ENOENT, path);
    if (fs_->find(path) >= 0) return error(EEXIST, path);
    add(dir, name_of(path), true);
    return {};
  }
  Result<void> remove_directory(const std::string& path) override { return remove(path, true); }
  Result<void> remove_tree(const std::string& path) override {
    const int inode = fs_->find(path);
    if (inode < 0) return fs_->crashed_ ? Result<void>(off()) : Result<void>{};
    const auto names = at(inode).names;  // a copy: we remove from it
    for (const auto& [name, child] : names) {
      if (at(child).directory) TRY(remove_tree(path + "/" + name));
      else TRY(unlink(path + "/" + name));
    }
    return at(inode).directory ? remove(path, true) : remove(path, false);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    if (fs_->crashed_) return off();
    const int inode = fs_->find(path);
    if (inode < 0) return error(ENOENT, path);
    if (!at(inode).directory) return error(ENOTDIR, path);
    std::vector<std::string> names;
    for (const auto& [name, child] : at(inode).names) names.push_back(name);
    return names;
  }
  Result<std::string> read(const std::string& path, std::uint64_t limit) override {
    if (fs_->crashed_) return off();
    const int inode = fs_->find(path);
    if (inode < 0) return error(ENOENT, path);
    if (at(inode).directory) return error(EINVAL, path);
    if (at(inode).data.size() > limit) return error(EFBIG, path);
    return at(inode).data;
  }
  Result<FileInfo> info(const std::string& path) override {
    if (fs_->crashed_) return off();
    const int inode = fs_->find(path);
    if (inode < 0) return FileInfo{};
    return FileInfo{true, at(inode).directory, at(inode).data.size()};
  }
  Result<void> stream(const std::string& path, const Take& take) override {
    return take(TRY(read(path, ~std::uint64_t{0})));
  }
  Result<void> publish(const std::string& target, const std::string& from) override {
    if (!fs_->step()) return off();
    if (fs_->find(from) < 0) return error(ENOENT, from);
    fs_->observer_->published[target].insert(at(fs_->find(from)).data);
    return {};
  }
  class CrashLock : public Lock {
   public:
    CrashLock(std::shared_ptr<CrashFs> fs, std::string path) : fs_(std::move(fs)), path_(std::move(path)) {}
    ~CrashLock() override { fs_->locks_.erase(path_); }

   private:
    std::shared_ptr<CrashFs> fs_;
    std::string path_;
  };
  Result<std::unique_ptr<Lock>> lock(const std::string& path) override {
    if (!fs_->step()) return off();
    const int dir = fs_->find(parent_of(path));
    if (dir < 0) return error(ENOENT, path);
    if (fs_->find(path) < 0) add(dir, name_of(path), false);
    const std::string key = std::to_string(fs_->find(path));  // the lock is on the file, whatever it is called later
    if (!fs_->locks_.insert(key).second) return error(EWOULDBLOCK, path);
    return std::unique_ptr<Lock>(std::make_unique<CrashLock>(fs_, key));
  }
  std::string owner() override { return owner_; }
  bool owner_is_alive(const std::string& owner) override {
    return owner.rfind("e" + std::to_string(fs_->epoch_) + "p", 0) == 0;
  }
  std::string absolute(const std::string& path) const override { return "/crash/" + path; }
  std::int64_t now_ms() override { return ++fs_->clock_; }

 private:
  CrashFs::Inode& at(int inode) { return fs_->inodes_[static_cast<std::size_t>(inode)]; }
  int add(int dir, const std::string& name, bool directory) {
    const int inode = static_cast<int>(fs_->inodes_.size());
    fs_->inodes_.emplace_back();
    at(inode).directory = directory;
    at(dir).names[name] = inode;
    fs_->log({CrashFs::Kind::add, dir, name, inode, -1, {}, false});
    return inode;
  }
  Result<void> sync_inode(int inode, const char* kind, const std::string& path) {
    if (!fs_->step()) return off();
    if (fs_->is_broken(kind, path)) return {};
    at(inode).synced = at(inode).data;
    at(inode).is_synced = true;
    return {};
  }
  Result<void> remove(const std::string& path, bool directory) {
    if (!fs_->step()) return off();
    const int inode = fs_->find(path), dir = fs_->find(parent_of(path));
    if (inode < 0) return error(ENOENT, path);
    if (directory && !at(inode).names.empty()) return error(ENOTEMPTY, path);
    at(dir).names.erase(name_of(path));
    fs_->log({CrashFs::Kind::remove, dir, name_of(path), inode, -1, {}, directory});
    return {};
  }

  std::shared_ptr<CrashFs> fs_;
  std::string owner_;
  std::map<int, std::string> path_of_;  // of open handles
  friend class CrashFs;
};

std::unique_ptr<Disk> make_crash_disk(std::shared_ptr<CrashFs> fs) { return std::make_unique<CrashDisk>(std::move(fs)); }

}  // namespace milonga::queue
