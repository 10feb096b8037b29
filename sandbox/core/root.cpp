#include "sandbox/core/root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "sandbox/core/privilege.h"
#include "sandbox/core/rootless.h"
#include "sandbox/core/slot.h"
#include "sandbox/model/request.h"
#include "sandbox/policy/mounts.h"

namespace milonga::core {
namespace {

constexpr unsigned kReadOnly = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

Fail set_number(int fs, const char* key, std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "%llu", static_cast<unsigned long long>(value));
  return ::fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0) == 0 ? fine()
                                                                : failed(Step::root, "cannot size the box's tmpfs");
}

// A copy of the mount tree at `name` below `dir`, put at `target`; `attributes`
// go to the whole copy, mounts below included, which a remount would not do.
Fail bind(int dir, const char* name, const char* target, unsigned attributes) {
  Raised up(CAP_SYS_ADMIN);
  UniqueFd tree(::open_tree(dir, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW));
  if (!tree.valid()) return failed(Step::root, "cannot copy a mount for the box");
  struct mount_attr attr {};
  attr.attr_set = attributes;
  struct statfs fs {};
  if (attributes != 0 && (::mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0 ||
                          ::fstatfs(tree.get(), &fs) != 0))
    return failed(Step::root, "cannot make a mount of the box read-only");
  if (attributes != 0 && (fs.f_flags & ST_RDONLY) == 0)
    return refused(Step::root, "a read-only mount of the box does not read back as it was made");
  if (::move_mount(tree.get(), "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return failed(Step::root, "cannot put a mount into the box");
  return fine();
}

// One top-level entry of the image: a directory is bound, a link is made again, anything else is left out.
Fail show_entry(int image, const char* name) {
  struct stat st {};
  if (::fstatat(image, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return fine();  // absent
  if (S_ISLNK(st.st_mode)) {
    char target[256];
    const ssize_t n = ::readlinkat(image, name, target, sizeof target - 1);
    if (n < 0) return failed(Step::root, "cannot read a link of the image");
    target[n] = '\0';
    return ::symlinkat(target, AT_FDCWD, name) == 0 ? fine() : failed(Step::root, "cannot make a link in the box");
  }
  if (!S_ISDIR(st.st_mode)) return fine();
  if (::mkdirat(AT_FDCWD, name, 0755) != 0) return failed(Step::root, "cannot make a directory in the box");
  return bind(image, name, name, kReadOnly);
}

bool is_ours(const char* name) {
  for (const char* own : kNotFromImage)
    if (std::strcmp(name, own) == 0) return true;
  return false;
}

Fail show_entries(int image) {
  DIR* dir = ::fdopendir(image);
  if (dir == nullptr) return failed(Step::root, "cannot list the image");
  Fail result = fine();
  while (const dirent* entry = ::readdir(dir)) {
    if (is_ours(entry->d_name)) continue;
    result = show_entry(::dirfd(dir), entry->d_name);
    if (result) break;
  }
  ::closedir(dir);
  return result;
}

// The image is attached at "mnt" only for as long as its entries are bound to their places.
Fail show_image(int tree) {
  if (::mkdir("mnt", 0755) != 0) return failed(Step::root, "cannot make a directory in the box");
  {
    Raised up(CAP_SYS_ADMIN);
    if (::move_mount(tree, "", AT_FDCWD, "mnt", MOVE_MOUNT_F_EMPTY_PATH) != 0)
      return failed(Step::root, "cannot attach the image");
  }
  MUST(show_entries(::open("mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  Raised up(CAP_SYS_ADMIN);
  if (::umount2("mnt", MNT_DETACH) != 0 || ::rmdir("mnt") != 0)
    return failed(Step::root, "cannot put the image out of sight");
  return fine();
}

Fail show_host() {
  UniqueFd host(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!host.valid()) return failed(Step::root, "cannot open the host's root");
  for (const HostEntry& entry : kHostEntries) MUST(show_entry(host.get(), entry.name));
  return fine();
}

// A node of our own; in a user namespace that may not be made, and the host's is
// shown, if it is what its name says.
Fail make_device(const DeviceRow& row) {
  char path[32], host[32];
  std::snprintf(path, sizeof path, "dev/%s", row.name);
  const dev_t number = makedev(row.major_number, row.minor_number);
  if (!is_rootless()) {
    Raised up(CAP_MKNOD);
    return ::mknod(path, S_IFCHR | 0666, number) == 0 ? fine() : failed(Step::root, "cannot make a device node in the box");
  }
  std::snprintf(host, sizeof host, "/dev/%s", row.name);
  struct stat st {};
  if (::lstat(host, &st) != 0 || !S_ISCHR(st.st_mode) || st.st_rdev != number)
    return refused(Step::root, "a device node of the host is not what its name says: look at /dev");
  if (::mknod(path, S_IFREG | 0444, 0) != 0) return failed(Step::root, "cannot make a place for a device in the box");
  return bind(AT_FDCWD, host, path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

Fail make_devices() {
  if (::mkdir("dev", 0755) != 0 || ::mkdir("dev/pts", 0755) != 0 || ::mkdir("dev/shm", 0755) != 0)
    return failed(Step::root, "cannot make /dev in the box");
  for (const DeviceRow& row : kDevices) MUST(make_device(row));
  for (const LinkRow& row : kDeviceLinks) {
    char path[32];
    std::snprintf(path, sizeof path, "dev/%s", row.name);
    if (::symlink(row.target, path) != 0) return failed(Step::root, "cannot make a link in the box's /dev");
  }
  Raised up(CAP_SYS_ADMIN);
  if (::mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, kPtsOptions) != 0)
    return failed(Step::root, "cannot mount devpts in the box");
  return fine();
}

// The job's home and work directory, made first and given away last: what is the
// job's, root without CAP_DAC_OVERRIDE cannot write to.
Fail make_job_directories(const RootPlan& plan) {
  const char* home = "mnt/home";
  char work[16 + kMaxWorkName];
  std::snprintf(work, sizeof work, "%s/%s", home, plan.work_name);
  if (::mkdir(work, 0755) != 0) return failed(Step::root, "cannot make the job's directory");
  if (is_rootless()) return fine();  // all that we make is the caller's, and so is the job
  Raised up(CAP_CHOWN);
  if (::lchown(work, plan.uid, plan.gid) != 0 || ::lchown(home, plan.uid, plan.gid) != 0)
    return failed(Step::root, "cannot give the job its directories");
  return fine();
}

// A top-level name that an image made a link leads, before the pivot, to the
// host: nothing is made or mounted through one.
bool is_directory(const char* name) {
  struct stat st {};
  return ::lstat(name, &st) == 0 && S_ISDIR(st.st_mode);
}

// The scratch is attached at "mnt" only for as long as its directories are bound to their places.
Fail attach_scratch(const RootPlan& plan) {
  if (::mkdir("mnt", 0755) != 0) return failed(Step::root, "cannot make a directory in the box");
  {
    Raised up(CAP_SYS_ADMIN);
    if (::move_mount(plan.scratch, "", AT_FDCWD, "mnt", MOVE_MOUNT_F_EMPTY_PATH) != 0)
      return failed(Step::root, "cannot attach the box's tmpfs");
  }
  for (const WritableRow& row : kWritable) {
    char source[32];
    std::snprintf(source, sizeof source, "mnt/%s", row.source);
    if (::mkdir(source, 0700) != 0 || ::chmod(source, row.mode) != 0)
      return failed(Step::root, "cannot make a writable directory of the box");
  }
  MUST(make_job_directories(plan));
  for (const WritableRow& row : kWritable) {
    char source[32];
    std::snprintf(source, sizeof source, "mnt/%s", row.source);
    if (std::strncmp(row.target, "var/", 4) == 0 && !is_directory("var")) continue;
    if (::mkdir(row.target, 0755) != 0 && errno != EEXIST) continue;  // an image without /var/tmp does without
    MUST(bind(AT_FDCWD, source, row.target, 0));
  }
  Raised up(CAP_SYS_ADMIN);
  if (::umount2("mnt", MNT_DETACH) != 0 || ::rmdir("mnt") != 0)
    return failed(Step::root, "cannot put the scratch mount out of sight");
  return fine();
}

// /etc/passwd and /etc/group that know the box's ids, over those of the image: `whoami`, git and ssh ask for a name.
Fail name_the_user(const RootPlan& plan) {
  struct Table {
    const char *file, *target;
    char text[256];
  } tables[2] = {{"passwd", "etc/passwd", {}}, {"group", "etc/group", {}}};
  std::snprintf(tables[0].text, sizeof tables[0].text,
                "root:x:0:0:root:/:/usr/sbin/nologin\n%s:x:%u:%u:%s:/home/%s:/bin/sh\n"
                "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
                kHomeName, plan.uid, plan.gid, kHomeName, kHomeName);
  std::snprintf(tables[1].text, sizeof tables[1].text, "root:x:0:\n%s:x:%u:\nnogroup:x:65534:\n", kHomeName, plan.gid);
  for (const Table& table : tables) {
    struct stat st {};
    if (!is_directory("etc") || ::lstat(table.target, &st) != 0 || !S_ISREG(st.st_mode)) continue;  // nothing to cover
    UniqueFd fd(::open(table.file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    const auto size = std::strlen(table.text);
    if (!fd.valid() || ::write(fd.get(), table.text, size) != static_cast<ssize_t>(size) || ::fchmod(fd.get(), 0644) != 0)
      return failed(Step::root, "cannot write the box's user table");
    MUST(bind(AT_FDCWD, table.file, table.target, kReadOnly));
    if (::unlink(table.file) != 0) return failed(Step::root, "cannot tidy the box's user table");
  }
  return fine();
}

// The same directory in our own mount namespace: a mount of the caller's cannot be copied from another.
Fail open_again(int directory, UniqueFd& again) {
  char link[32], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
  const ssize_t n = ::readlink(link, path, sizeof path - 1);
  path[n < 0 ? 0 : n] = '\0';
  again.reset(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat ours {}, theirs {};
  if (!again.valid() || ::fstat(again.get(), &ours) != 0 || ::fstat(directory, &theirs) != 0 ||
      ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
    return refused(Step::root, "the image's directory has moved");
  return fine();
}

Fail start_root() {
  Raised up(CAP_SYS_ADMIN);
  // Nothing of what follows may be seen by the host (mount_namespaces(7), shared subtrees).
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return failed(Step::root, "cannot make the mount namespace private");
  // Not nodev: it holds the device nodes. It ends read-only, and the job has no CAP_MKNOD.
  struct stat below {}, root {};
  if (::chdir(state_dir()) != 0 || ::mount("tmpfs", kMountPoint, "tmpfs", MS_NOSUID | MS_NOEXEC, kRootOptions) != 0)
    return failed(Step::root, "cannot mount the box's root");
  if (::stat(".", &below) != 0 || ::chdir(kMountPoint) != 0 || ::stat(".", &root) != 0)
    return failed(Step::root, "cannot enter the box's root");
  // Else all that follows would be made in the host's directory.
  return below.st_dev != root.st_dev ? fine() : refused(Step::root, "the box's root is not where it was mounted");
}

Fail switch_root() {
  Raised up(CAP_SYS_ADMIN);
  struct stat ours {}, seen {};
  if (::stat(".", &ours) != 0) return failed(Step::root, "cannot look at the box's root");
  if (::mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, kProcOptions) != 0)
    return failed(Step::root, "cannot mount /proc in the box");
  // pivot_root(2), "pivot_root(".", ".")": the old root ends on top of the new one, and is taken away.
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return failed(Step::root, "cannot pivot into the box's root");
  if (::umount2(".", MNT_DETACH) != 0) return failed(Step::root, "cannot let go of the host's root");
  // "..": where the host's root would still lie on top of ours.
  if (::chdir("/") != 0 || ::stat("/..", &seen) != 0) return failed(Step::root, "cannot change to the box's root");
  if (seen.st_dev != ours.st_dev) return refused(Step::root, "the root in sight is not the box's");
  struct mount_attr attr {};
  attr.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof attr) != 0)
    return failed(Step::root, "cannot make the box's root read-only");
  if (::sethostname(kHostName, std::strlen(kHostName)) != 0 || ::setdomainname("", 0) != 0)
    return failed(Step::root, "cannot set the box's host name");
  return fine();
}

}  // namespace

Fail make_scratch(std::uint64_t bytes, std::uint64_t inodes, UniqueFd& mount) {
  Raised up(CAP_SYS_ADMIN);
  UniqueFd fs(::fsopen("tmpfs", FSOPEN_CLOEXEC));
  if (!fs.valid()) return failed(Step::root, "cannot open a tmpfs");
  MUST(set_number(fs.get(), "size", bytes));
  MUST(set_number(fs.get(), "nr_inodes", inodes));
  if (::fsconfig(fs.get(), FSCONFIG_SET_STRING, "mode", "0755", 0) != 0 ||
      ::fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return failed(Step::root, "cannot create the box's tmpfs");
  mount.reset(::fsmount(fs.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  return mount.valid() ? fine() : failed(Step::root, "cannot mount the box's tmpfs");
}

Fail copy_image(int directory, UniqueFd& tree) {
  UniqueFd again;
  if (is_rootless()) MUST(open_again(directory, again));
  Raised up(CAP_SYS_ADMIN);
  tree.reset(::open_tree(is_rootless() ? again.get() : directory, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  return tree.valid() ? fine() : failed(Step::root, "cannot copy the image's mount");
}

bool scratch_use(int mount, ScratchUse& use) {
  struct statfs fs {};
  if (::fstatfs(mount, &fs) != 0) return false;
  const auto block = static_cast<std::uint64_t>(fs.f_bsize);
  use.bytes_total = fs.f_blocks * block;
  use.bytes_used = (fs.f_blocks - fs.f_bfree) * block;
  use.inodes_total = fs.f_files;
  use.inodes_used = fs.f_files - fs.f_ffree;
  return true;
}

Fail enter_root(const RootPlan& plan) {
  MUST(start_root());
  MUST(plan.image >= 0 ? show_image(plan.image) : show_host());
  for (const char* name : {"proc", "run", "var", "home"})
    if (::mkdir(name, 0755) != 0 && errno != EEXIST) return failed(Step::root, "cannot make a directory in the box");
  MUST(make_devices());
  MUST(attach_scratch(plan));
  MUST(name_the_user(plan));
  return switch_root();
}

}  // namespace milonga::core
