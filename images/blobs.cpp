#include "images/blobs.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "images/beneath.h"
#include "images/entry_path.h"
#include "images/stream.h"

namespace milonga::images {
namespace {

constexpr std::uint64_t kLargestText = std::uint64_t{4} << 20;
constexpr const char* kNowhere = "/";         // no member is called so
constexpr std::size_t kMostMembers = 10'000;  // an image has at most 127 layers

bool is_hex64(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Is it what an image's archive has at its top, by the customs of docker save, skopeo, podman, kaniko?
bool is_of_an_image(std::string_view path) {
  const std::string_view top = path.substr(0, path.find('/'));
  if (top == "blobs" || top == "ingest" || is_hex64(top) || top.starts_with("sha256:")) return true;
  if (top != path) return false;
  return top == "oci-layout" || top == "repositories" || top.ends_with(".json") || top.ends_with(".tar") ||
         top.ends_with(".tar.gz");
}

struct Member {
  std::uint64_t offset = 0, size = 0;
  std::string link;  // of another member, whose content it has
};

class ArchiveBlobs : public Blobs {
 public:
  explicit ArchiveBlobs(int archive) : fd_(archive) {}

  bool has(const std::string& name) override { return members_.contains(name); }

  Result<Blob> open(const std::string& name) override {
    auto found = members_.find(name);
    if (found != members_.end() && !found->second.link.empty()) found = members_.find(found->second.link);
    if (found == members_.end() || !found->second.link.empty())
      return fail("'" + name + "' is not in the archive");
    return Blob{fd_, found->second.offset, found->second.size};
  }

  // False: it is no image.
  Result<bool> read_plain() {
    const Archive reader(::archive_read_new());
    ::archive_read_support_format_tar(reader.get());
    if (::lseek(fd_, 0, SEEK_SET) != 0) return fail_errno("read", "it");
    if (::archive_read_open_fd(reader.get(), fd_, 16384) != ARCHIVE_OK)
      return archive_error(reader.get(), {nullptr});
    return members_of(reader.get(), {nullptr}, -1);
  }

  Result<bool> read_compressed(UnpackingSource& source, int temporary) {
    spool_.reset(::openat(temporary, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!spool_.valid()) return fail_errno("make a temporary file in", "the store");
    fd_ = spool_.get();
    ArchiveInput input{&source};
    const Archive reader(::archive_read_new());
    ::archive_read_support_format_tar(reader.get());
    TRY(open_archive(reader.get(), input));
    return members_of(reader.get(), input, spool_.get());
  }

 private:
  Result<bool> members_of(archive* reader, const ArchiveInput& input, int spool) {
    while (true) {
      archive_entry* entry = nullptr;
      const int done = ::archive_read_next_header(reader, &entry);
      if (done == ARCHIVE_EOF) break;
      if (done != ARCHIVE_OK) return archive_error(reader, input);
      const char* name = ::archive_entry_pathname(entry);
      const Result<std::string> path = clean_path(name != nullptr ? name : "");
      if (!path || (!path->empty() && !is_of_an_image(*path)))
        return false;  // as a root file system it is looked at closely
      if (path->empty() || ::archive_entry_filetype(entry) == AE_IFDIR) continue;
      TRY(take(reader, entry, *path, spool, input));
    }
    return members_.contains("manifest.json") ||
           (members_.contains("index.json") && members_.contains("oci-layout"));
  }

  Result<> take(archive* reader, archive_entry* entry, const std::string& path, int spool,
                const ArchiveInput& input) {
    if (members_.size() >= kMostMembers) return fail("too many members for an image");
    Member member;
    if (const char* target = ::archive_entry_symlink(entry)) {
      member.link = beside(path, target);
    } else if (const char* same = ::archive_entry_hardlink(entry)) {
      member.link = clean_path(same).value_or(kNowhere);
    } else if (::archive_entry_filetype(entry) == AE_IFREG) {
      member.size = static_cast<std::uint64_t>(std::max<la_int64_t>(::archive_entry_size(entry), 0));
      member.offset = spool >= 0 ? spooled_ : static_cast<std::uint64_t>(::archive_filter_bytes(reader, 0));
      if (spool >= 0 && member.size > 0) {
        if (::lseek(spool, static_cast<off_t>(spooled_), SEEK_SET) < 0)
          return fail_errno("write", "a temporary file");
        if (::archive_read_data_into_fd(reader, spool) != ARCHIVE_OK) return archive_error(reader, input);
        spooled_ += member.size;
      }
    } else {
      return fail("entry '" + path + "': neither file nor link, in an image's archive");
    }
    if (!members_.emplace(path, member).second)
      return fail("entry '" + path + "': stands twice in the archive");
    return {};
  }

  // docker save writes "../ID/layer.tar" for a layer that another image of the archive has as well.
  static std::string beside(const std::string& path, std::string_view target) {
    std::string base(parent_of(path));
    for (; target.starts_with("../"); target.remove_prefix(3)) base = parent_of(std::string(base));
    if (target.starts_with('/')) return kNowhere;
    return clean_path((base.empty() ? "" : base + "/") + std::string(target)).value_or(kNowhere);
  }

  int fd_;
  UniqueFd spool_;
  std::uint64_t spooled_ = 0;
  std::map<std::string, Member> members_;
};

class DirectoryBlobs : public Blobs {
 public:
  explicit DirectoryBlobs(int directory) : directory_(directory) {}

  bool has(const std::string& name) override { return open_beneath(directory_, name, O_PATH).valid(); }

  Result<Blob> open(const std::string& name) override {
    fd_ = open_beneath(directory_, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat st {};
    if (!fd_.valid() || ::fstat(fd_.get(), &st) != 0) return fail_errno("open", name);
    if (!S_ISREG(st.st_mode)) return fail("'" + name + "' is no regular file");
    return Blob{fd_.get(), 0, static_cast<std::uint64_t>(st.st_size)};
  }

 private:
  int directory_;
  UniqueFd fd_;
};

}  // namespace

Result<std::string> Blobs::text(const std::string& name) {
  const Blob blob = TRY(open(name));
  if (blob.size > kLargestText) return fail("'" + name + "' is larger than 4 MiB");
  std::string text(static_cast<std::size_t>(blob.size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t n =
        ::pread(blob.fd, text.data() + have, text.size() - have, static_cast<off_t>(blob.offset + have));
    if (n < 0) return fail_errno("read", name);
    if (n == 0) return fail("truncated: it ends within '" + name + "'");
    have += static_cast<std::size_t>(n);
  }
  return text;
}

Result<std::unique_ptr<Blobs>> blobs_of_archive(int archive, int temporary, Meter& meter) {
  struct stat st {};
  if (::fstat(archive, &st) != 0) return fail_errno("read", "it");
  FileSource file(archive, 0, static_cast<std::uint64_t>(st.st_size), meter);
  const auto unpacked = TRY(UnpackingSource::open(file, meter));
  auto blobs = std::make_unique<ArchiveBlobs>(archive);
  const bool is_image = unpacked->is_compressed() ? TRY(blobs->read_compressed(*unpacked, temporary))
                                                  : TRY(blobs->read_plain());
  if (!is_image) return std::unique_ptr<Blobs>();
  return std::unique_ptr<Blobs>(std::move(blobs));
}

std::unique_ptr<Blobs> blobs_of_directory(int directory) {
  auto blobs = std::make_unique<DirectoryBlobs>(directory);
  if (!blobs->has("oci-layout") || !blobs->has("index.json")) return nullptr;
  return blobs;
}

}  // namespace milonga::images
