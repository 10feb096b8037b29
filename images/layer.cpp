#include "images/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "images/entry_path.h"

namespace milonga::images {
namespace {

constexpr const char* kDevicesHint = "a box has its own: --skip-devices leaves them out";

// libarchive turns the UTF-8 of a pax header into the locale's characters; in "C" each other one would become
// '?'.
class Utf8Locale {
 public:
  Utf8Locale() : own_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), before_(::uselocale(own_)) {}
  ~Utf8Locale() {
    ::uselocale(before_);
    if (own_ != nullptr) ::freelocale(own_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t own_, before_;
};

Result<> write_at(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write", "the file");
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

class Layer {
 public:
  Layer(Source& tar, Tree& tree, Meter& meter, Devices devices)
      : input_{&tar}, archive_(::archive_read_new()), tree_(tree), meter_(meter), devices_(devices) {}

  Result<> apply() {
    ::archive_read_support_format_tar(archive_.get());
    TRY(open_archive(archive_.get(), input_));
    std::string last = "the first one";
    while (true) {
      archive_entry* entry = nullptr;
      const int done = ::archive_read_next_header(archive_.get(), &entry);
      if (done == ARCHIVE_EOF) return {};
      if (done != ARCHIVE_OK && done != ARCHIVE_WARN)
        return at("behind entry", last, archive_error(archive_.get(), input_));
      const char* path = ::archive_entry_pathname(entry);
      last = path != nullptr ? path : "";
      const Result<> made = done == ARCHIVE_WARN ? warned(entry) : one(entry, last);
      if (!made) return at("entry", last, made.error());
    }
  }

 private:
  static Unexpected at(const char* where, const std::string& path, const Error& error) {
    return tl::unexpected(
        Error{std::string(where) + " '" + path + "': " + error.what, error.hint, error.code});
  }
  static Unexpected at(const char* where, const std::string& path, const Unexpected& error) {
    return at(where, path, error.value());
  }

  // A header that could be read, but not all of it: a name that is no UTF-8 though it says so, a number that
  // overflows.
  Result<> warned(archive_entry* /*entry*/) { return archive_error(archive_.get(), input_); }

  Result<> one(archive_entry* entry, const std::string& name) {
    if (name.empty()) return fail("no name");
    const std::string path = TRY(clean_path(name));
    TRY(meter_.entry());
    if (!path.empty() && TRY(tree_.whiteout(path))) return {};
    if (const char* to = ::archive_entry_hardlink(entry)) {
      const Result<std::string> target = clean_path(to);
      if (!target) return fail("a hard link to '" + std::string(to) + "': " + target.error().what);
      return tree_.hard_link(path, *target);
    }
    switch (::archive_entry_filetype(entry)) {
      case AE_IFDIR:
        return tree_.directory(path, ::archive_entry_perm(entry));
      case AE_IFREG:
        return file(entry, path);
      case AE_IFLNK: {
        const char* target = ::archive_entry_symlink(entry);
        return tree_.symlink(path, target != nullptr ? target : "");
      }
      case AE_IFCHR:
      case AE_IFBLK:
        return left_out("a device node");
      case AE_IFIFO:
        return left_out("a named pipe");
      case AE_IFSOCK:
        return left_out("a socket");
      default:
        return fail("of no known type");
    }
  }

  Result<> left_out(const char* what) const {
    if (devices_ == Devices::leave_out) return {};
    return fail(what, kDevicesHint);
  }

  Result<> file(archive_entry* entry, const std::string& path) {
    const la_int64_t declared = ::archive_entry_size(entry);
    if (declared < 0) return fail("a negative size");
    const auto size = static_cast<std::uint64_t>(declared);
    TRY(meter_.file(size));
    const UniqueFd fd = TRY(tree_.file(path, ::archive_entry_perm(entry)));
    Sha256 hash;
    std::uint64_t at = 0;
    while (true) {
      const void* block = nullptr;
      std::size_t length = 0;
      la_int64_t offset = 0;
      const int done = ::archive_read_data_block(archive_.get(), &block, &length, &offset);
      if (done == ARCHIVE_EOF) break;
      if (done != ARCHIVE_OK) return archive_error(archive_.get(), input_);
      const auto begin = static_cast<std::uint64_t>(offset);
      if (begin < at || begin + length > size) return fail("more bytes than its header says");
      TRY(add_zeros(hash, begin - at));
      const std::string_view bytes(static_cast<const char*>(block), length);
      hash.add(bytes);
      TRY(write_at(fd.get(), bytes, begin));
      at = begin + length;
    }
    TRY(add_zeros(hash, size - at));
    return tree_.finish(fd, size, ::archive_entry_mtime(entry), hash.hex());
  }

  // The holes of a sparse file.
  Result<> add_zeros(Sha256& hash, std::uint64_t count) {
    static const std::string zeros(std::size_t{1} << 20, '\0');
    while (count > 0) {
      const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(count, zeros.size()));
      TRY(meter_.read(0));  // it may take seconds: Ctrl-C still ends it
      hash.add(std::string_view(zeros).substr(0, part));
      count -= part;
    }
    return {};
  }

  ArchiveInput input_;
  Archive archive_;
  Tree& tree_;
  Meter& meter_;
  Devices devices_;
};

}  // namespace

Result<> apply_layer(Source& tar, Tree& tree, Meter& meter, Devices devices) {
  const Utf8Locale utf8;
  tree.begin_layer();
  return Layer(tar, tree, meter, devices).apply();
}

}  // namespace milonga::images
