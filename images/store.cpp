#include "images/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "images/beneath.h"
#include "images/manifest.h"
#include "images/record.h"

namespace milonga::images {
namespace {

constexpr const char* kInner = ".store";
constexpr const char* kTemporary = "tmp";
constexpr std::string_view kBehindId = "/rootfs";

bool is_id(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string fresh_name() {
  unsigned char random[8];
  if (::getrandom(random, sizeof random, 0) != sizeof random) bug("getrandom");
  std::string name;
  for (const unsigned char byte : random) name += fmt::format("{:02x}", byte);
  return name;
}

UniqueFd open_directory(int parent, const char* name) {
  return UniqueFd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Result<UniqueFd> make_directory(int parent, const char* name, mode_t mode) {
  if (::mkdirat(parent, name, mode) != 0 && errno != EEXIST) return fail_errno("make", name);
  UniqueFd fd = open_directory(parent, name);
  if (!fd.valid()) return fail_errno("open", name);
  return fd;
}

// Whoever can write to it could give the boxes any root.
Result<> check_owner(int fd, const std::string& path) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return fail_errno("look at", path);
  if (st.st_uid != ::geteuid() && st.st_uid != 0)
    return fail(fmt::format("the image store '{}' belongs to uid {}", path, st.st_uid),
                "chown it to who imports");
  if ((st.st_mode & 022) != 0)
    return fail(fmt::format("others can write to the image store '{}'", path), "chmod go-w " + path);
  return {};
}

Result<> write_file(int directory, const char* name, std::string_view text) {
  const UniqueFd fd(::openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid() || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail_errno("write", name);
  return {};
}

Result<std::string> read_file(int directory, const std::string& name) {
  const UniqueFd fd = open_beneath(directory, name, O_RDONLY);
  if (!fd.valid()) return fail_errno("read", name);
  std::string text(std::size_t{64} << 10, '\0');
  const ssize_t n = ::read(fd.get(), text.data(), text.size());
  if (n < 0) return fail_errno("read", name);
  text.resize(static_cast<std::size_t>(n));
  return text;
}

Unexpected not_ours(const std::string& path) {
  if (errno == EACCES || errno == EROFS || errno == EPERM)
    return fail_errno("change the image store", path,
                      "run it as root (sudo), or name a store of your own: --store DIR");
  return fail_errno("open the image store", path);
}

}  // namespace

Result<> check_image_name(std::string_view name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:@";
  if (name == "default") return fail("the name 'default' is taken", "it is this host's own system");
  if (name.empty() || name.size() > 128 || name.find_first_not_of(kLetters) != std::string_view::npos ||
      name.front() == '.' || name.front() == '-')
    return fail(
        "'" + std::string(name) + "' cannot be an image's name",
        "letters, digits and ._-:@, at most 128, beginning with a letter or digit; choose one by --name");
  return {};
}

Draft::Draft(UniqueFd temporary, std::string name, UniqueFd directory)
    : temporary_(std::move(temporary)), name_(std::move(name)), directory_(std::move(directory)) {}

Draft::~Draft() {
  // What cannot be removed now is a leftover for the next command.
  if (temporary_.valid() && !name_.empty()) (void)!!remove_all(temporary_.get(), name_);
}

Result<UniqueFd> Draft::make_root() {
  UniqueFd root = TRY(make_directory(directory_.get(), "rootfs", 0755));
  if (::fchmod(root.get(), 0755) != 0) return fail_errno("make", "rootfs");
  return root;
}

Result<Store> Store::open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  UniqueFd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid() || error) return not_ours(path);
  TRY(check_owner(root.get(), path));
  if (::mkdirat(root.get(), kInner, 0755) != 0 && errno != EEXIST) return not_ours(path);
  UniqueFd inner = open_directory(root.get(), kInner);
  if (!inner.valid()) return not_ours(path);
  TRY(check_owner(inner.get(), path + "/" + kInner));
  Store store(path, std::move(root), std::move(inner));
  (void)TRY(store.remove_leftovers());
  return store;
}

Result<Store> Store::look(const std::string& path) {
  UniqueFd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid() && errno == ENOENT)
    return fail("no image store at '" + path + "'", "milonga image import makes it");
  if (!root.valid()) return fail_errno("open the image store", path);
  UniqueFd inner = open_directory(root.get(), kInner);
  return Store(path, std::move(root), std::move(inner));
}

Result<UniqueFd> Store::lock() const {
  UniqueFd own = open_directory(inner_.get(), ".");  // a description of its own, so that it is let go with it
  if (!own.valid() || ::flock(own.get(), LOCK_EX) != 0) return fail_errno("lock", path_);
  return own;
}

Result<std::uint64_t> Store::remove_leftovers() {
  const UniqueFd temporary = TRY(make_directory(inner_.get(), kTemporary, 0700));
  std::uint64_t removed = 0;
  for (const std::string& name : TRY(names_in(temporary.get()))) {
    const UniqueFd fd = open_directory(temporary.get(), name.c_str());
    if (fd.valid() && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;  // its import lives
    TRY(remove_all(temporary.get(), name));
    ++removed;
  }
  return removed;
}

Result<Draft> Store::begin() {
  const UniqueFd locked = TRY(lock());  // else it could be taken for a leftover before it is locked
  UniqueFd temporary = TRY(make_directory(inner_.get(), kTemporary, 0700));
  std::string name = fresh_name();
  UniqueFd directory = TRY(make_directory(temporary.get(), name.c_str(), 0755));
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) return fail_errno("lock", name);
  return Draft(std::move(temporary), std::move(name), std::move(directory));
}

std::string Store::path_of(const Draft& draft) const {
  return path_ + "/" + kInner + "/" + kTemporary + "/" + draft.name_;
}

Result<> Store::set_name(const std::string& name, const std::string& id) {
  const std::string target = std::string(kInner) + "/" + id + std::string(kBehindId);
  const std::string fresh = "." + fresh_name();
  if (::symlinkat(target.c_str(), root_.get(), fresh.c_str()) != 0) return fail_errno("make", name);
  if (::renameat(root_.get(), fresh.c_str(), root_.get(), name.c_str()) != 0) {
    auto failed = fail_errno("make", path_ + "/" + name);
    (void)::unlinkat(root_.get(), fresh.c_str(), 0);
    return failed;
  }
  return ::fsync(root_.get()) == 0 ? Result<>() : fail_errno("write", path_);
}

Result<Published> Store::publish(Draft& draft, const std::string& name, const ImageRecord& record) {
  TRY(check_image_name(name));
  TRY(write_file(draft.directory_.get(), "image.json", print_record(record)));
  if (::syncfs(draft.directory_.get()) != 0) return fail_errno("write", "the image to the disk");
  const UniqueFd locked = TRY(lock());
  Published published;
  struct stat st {};
  if (::fstatat(root_.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode))
    return fail("'" + path_ + "/" + name + "' is there, and was made by hand",
                "choose another name by --name");
  const std::string before = id_of(name);
  published.replaced = !before.empty() && before != record.id;
  if (::renameat(draft.temporary_.get(), draft.name_.c_str(), inner_.get(), record.id.c_str()) == 0) {
    draft.name_.clear();
  } else if (errno == ENOTEMPTY || errno == EEXIST) {
    published.was_there = true;
  } else {
    return fail_errno("put the image into", path_);
  }
  if (::fsync(inner_.get()) != 0) return fail_errno("write", path_);
  TRY(set_name(name, record.id));
  return published;
}

std::string Store::id_of(const std::string& name) const {
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(root_.get(), name.c_str(), target, sizeof target);
  std::string_view text(target, n < 0 ? 0 : static_cast<std::size_t>(n));
  const std::string prefix = std::string(kInner) + "/";
  if (!text.starts_with(prefix) || !text.ends_with(kBehindId)) return {};
  text.remove_prefix(prefix.size());
  text.remove_suffix(kBehindId.size());
  return is_id(text) ? std::string(text) : std::string();
}

Result<NamedImage> Store::find(const std::string& name) const {
  struct stat st {};
  if (!check_image_name(name) || ::fstatat(root_.get(), name.c_str(), &st, 0) != 0 || !S_ISDIR(st.st_mode))
    return fail("no image '" + name + "' in '" + path_ + "'", "see milonga image list");
  NamedImage image;
  image.name = name;
  image.path = path_ + "/" + name;
  const std::string id = id_of(name);
  if (id.empty()) {
    image.record.format = "directory";
    image.record.imported_ms = std::int64_t{st.st_mtim.tv_sec} * 1000;
    return image;
  }
  const std::string text = TRY(read_file(inner_.get(), id + "/image.json"));
  image.record = TRY(parse_record(text));
  return image;
}

Result<std::vector<NamedImage>> Store::list() const {
  std::vector<NamedImage> images;
  for (const std::string& name : TRY(names_in(root_.get()))) {
    if (!check_image_name(name)) continue;
    if (auto image = find(name))
      images.push_back(std::move(*image));  // gone since, or a stray file: not an image
  }
  return images;
}

Result<bool> Store::is_named(const std::string& id) const {
  for (const std::string& name : TRY(names_in(root_.get())))
    if (id_of(name) == id) return true;
  return false;
}

// With the store locked. An image that a box uses stays.
Result<Removal> Store::discard(const std::string& id) {
  const UniqueFd rootfs = open_beneath(inner_.get(), id + std::string(kBehindId), O_RDONLY | O_DIRECTORY);
  if (rootfs.valid() && ::flock(rootfs.get(), LOCK_EX | LOCK_NB) != 0) return Removal::in_use;
  const UniqueFd temporary = TRY(make_directory(inner_.get(), kTemporary, 0700));
  const std::string name = fresh_name();
  if (::renameat(inner_.get(), id.c_str(), temporary.get(), name.c_str()) != 0)
    return fail_errno("remove", id);
  TRY(remove_all(temporary.get(), name));
  return Removal::removed;
}

Result<Removal> Store::remove(const std::string& name) {
  const UniqueFd locked = TRY(lock());
  const NamedImage image = TRY(find(name));
  if (image.record.id.empty())
    return fail("'" + image.path + "' is a directory that somebody made by hand",
                "remove it by hand as well");
  if (::unlinkat(root_.get(), name.c_str(), 0) != 0) return fail_errno("remove", image.path);
  if (TRY(is_named(image.record.id))) return Removal::still_named;
  return discard(image.record.id);
}

Result<Store::Collected> Store::collect() {
  const UniqueFd locked = TRY(lock());
  Collected collected;
  collected.leftovers = TRY(remove_leftovers());
  for (const std::string& id : TRY(names_in(inner_.get()))) {
    if (!is_id(id) || TRY(is_named(id))) continue;
    (TRY(discard(id)) == Removal::removed ? collected.removed : collected.in_use).push_back(id);
  }
  return collected;
}

Result<std::vector<std::string>> Store::verify(const std::string& name, std::size_t most) const {
  const NamedImage image = TRY(find(name));
  if (image.record.id.empty())
    return fail("'" + image.path + "' was made by hand: there is nothing to hold it against",
                "milonga image import " + image.path);
  const UniqueFd root = open_beneath(inner_.get(), image.record.id + "/rootfs", O_RDONLY | O_DIRECTORY);
  const UniqueFd manifest = open_beneath(inner_.get(), image.record.id + "/manifest", O_RDONLY);
  if (!root.valid() || !manifest.valid()) return fail_errno("open", image.path);
  if (id_of(name) != image.record.id) return std::vector<std::string>{"changed: image.json"};
  return compare_manifest(root.get(), manifest.get(), most);
}

}  // namespace milonga::images
