#include "runner/vmm/job_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include "base/core/unique_fd.h"

namespace milonga::runner {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 64 * 1024;

struct EntryDelete {
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};
using Entry = std::unique_ptr<archive_entry, EntryDelete>;

Result<std::string> read_program(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || text.str().empty()) return fail("cannot read '" + path + "', which goes into each container");
  return text.str();
}

}  // namespace

// A list of entries; what libarchive makes of them waits in `ready` until it is asked for.
struct JobTar::Parts {
  struct Item {
    std::string path;
    mode_t mode = 0;
    std::string_view text;                   // the content of a program
    const queue::InputFile* file = nullptr;  // or a file of the job's; neither: a directory
  };

  queue::Queue* queue = nullptr;
  queue::Claim claim;
  std::shared_ptr<const Programs> programs;
  std::vector<Item> items;
  std::size_t next = 0;
  archive* tar = nullptr;
  UniqueFd content;             // of the file under way
  std::string ready;            // made, not yet read
  std::size_t ready_begin = 0;  // of it, what has been read
  bool closed = false;

  ~Parts() {
    if (tar != nullptr) ::archive_write_free(tar);
  }

  static la_ssize_t take(archive*, void* user, const void* bytes, std::size_t size) {
    static_cast<Parts*>(user)->ready.append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  }

  [[nodiscard]] Unexpected broken(const std::string& what) const {
    return fail("cannot pack " + what + ": " + ::archive_error_string(tar));
  }

  void list();
  Result<void> begin(const Item& item);
  Result<void> go_on();
};

void JobTar::Parts::list() {
  const std::string top = std::string(kInjected).substr(1);
  items.push_back({top, S_IFDIR | 0700, {}, nullptr});
  items.push_back({top + "/autodriver", S_IFREG | 0755, programs->autodriver, nullptr});
  items.push_back({top + "/autodriver-core", S_IFREG | 0755, programs->core, nullptr});
  items.push_back({top + "/input", S_IFDIR | 0700, {}, nullptr});
  const std::string job = top + "/input/" + claim.job.directory;
  items.push_back({job, S_IFDIR | 0755, {}, nullptr});
  std::set<std::string> folders;
  for (const queue::InputFile& file : claim.job.files) {
    for (std::size_t slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1))
      if (const std::string folder = file.path.substr(0, slash); folders.insert(folder).second)
        items.push_back({job + "/" + folder, S_IFDIR | 0755, {}, nullptr});
    items.push_back({job + "/" + file.path, S_IFREG | (file.mode & 0777), {}, &file});
  }
}

// The head of an entry, and the content of a small one.
Result<void> JobTar::Parts::begin(const Item& item) {
  const Entry entry(::archive_entry_new());
  ::archive_entry_set_pathname(entry.get(), item.path.c_str());
  ::archive_entry_set_mode(entry.get(), item.mode);
  ::archive_entry_set_mtime(entry.get(), ::time(nullptr), 0);
  ::archive_entry_set_size(
      entry.get(), static_cast<la_int64_t>(item.file != nullptr ? item.file->size : item.text.size()));
  if (item.file != nullptr) {
    content.reset(::open(claim.work_dir.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!content.valid()) return fail_errno("make a temporary file in", claim.work_dir);
    TRY(queue->copy_input(*item.file, content.get()));
    if (::lseek(content.get(), 0, SEEK_SET) != 0) return fail_errno("read", item.path);
  }
  if (::archive_write_header(tar, entry.get()) != ARCHIVE_OK) return broken(item.path);
  if (!item.text.empty() && ::archive_write_data(tar, item.text.data(), item.text.size()) !=
                                static_cast<la_ssize_t>(item.text.size()))
    return broken(item.path);
  return {};
}

// One step further: a piece of the file under way, the next entry, or the end.
Result<void> JobTar::Parts::go_on() {
  if (content.valid()) {
    char piece[kPiece];
    const ssize_t n = ::read(content.get(), piece, sizeof piece);
    if (n < 0) return fail_errno("read", items[next - 1].path);
    if (n == 0) content.reset();
    if (n > 0 && ::archive_write_data(tar, piece, static_cast<std::size_t>(n)) != n)
      return broken(items[next - 1].path);
    return {};
  }
  if (next < items.size()) return begin(items[next++]);
  closed = true;
  return ::archive_write_close(tar) == ARCHIVE_OK ? Result<void>{} : Result<void>(broken("the end"));
}

Result<std::shared_ptr<const Programs>> read_programs(const std::string& autodriver) {
  auto programs = std::make_shared<Programs>();
  programs->autodriver = TRY(read_program(autodriver));
  const fs::path folder = fs::path(autodriver).parent_path();
  std::error_code error;
  const fs::path beside = folder / "autodriver-core";
  programs->core =
      TRY(read_program(fs::exists(beside, error) ? beside : folder / "../libexec/milonga/autodriver-core"));
  return std::shared_ptr<const Programs>(programs);
}

JobTar::JobTar() : parts_(std::make_unique<Parts>()) {}
JobTar::~JobTar() = default;

Result<std::unique_ptr<JobTar>> JobTar::create(queue::Queue& queue, const queue::Claim& claim,
                                               std::shared_ptr<const Programs> programs) {
  std::unique_ptr<JobTar> made(new JobTar());
  Parts& parts = *made->parts_;
  parts.queue = &queue;
  parts.claim = claim;
  parts.programs = std::move(programs);
  parts.list();
  parts.tar = ::archive_write_new();
  if (parts.tar == nullptr) return fail("no memory for a tar");
  // pax: names of any length and in UTF-8, files above 8 GiB.
  if (::archive_write_set_format_pax_restricted(parts.tar) != ARCHIVE_OK ||
      ::archive_write_set_options(parts.tar, "hdrcharset=BINARY") != ARCHIVE_OK ||
      ::archive_write_set_bytes_per_block(parts.tar, 0) != ARCHIVE_OK ||  // each write is handed on as it is
      ::archive_write_open(parts.tar, &parts, nullptr, &Parts::take, nullptr) != ARCHIVE_OK)
    return parts.broken("a tar");
  return made;
}

Result<std::size_t> JobTar::read(char* to, std::size_t size) {
  Parts& parts = *parts_;
  while (parts.ready_begin == parts.ready.size() && !parts.closed) {
    parts.ready.clear();
    parts.ready_begin = 0;
    TRY(parts.go_on());
  }
  const std::size_t n = std::min(size, parts.ready.size() - parts.ready_begin);
  std::memcpy(to, parts.ready.data() + parts.ready_begin, n);
  parts.ready_begin += n;
  return n;
}

}  // namespace milonga::runner
