#include "images/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <algorithm>

namespace milonga::images {
namespace {

constexpr std::size_t kBlock = std::size_t{256} << 10;

la_ssize_t read_block(archive* a, void* data, const void** block) {
  auto& input = *static_cast<ArchiveInput*>(data);
  const Result<std::string_view> bytes = input.source->next();
  if (!bytes) {
    input.error = tl::unexpected(bytes.error());
    ::archive_set_error(a, EIO, "%s", bytes.error().what.c_str());
    return -1;
  }
  *block = bytes->data();
  return static_cast<la_ssize_t>(bytes->size());
}

}  // namespace

FileSource::FileSource(int fd, std::uint64_t offset, std::uint64_t size, Meter& meter)
    : fd_(fd), at_(offset), end_(offset + size), meter_(meter), buffer_(kBlock) {}

Result<std::string_view> FileSource::next() {
  const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), end_ - at_));
  if (most == 0) return std::string_view();
  ssize_t n = 0;
  do n = ::pread(fd_, buffer_.data(), most, static_cast<off_t>(at_));
  while (n < 0 && errno == EINTR);
  if (n < 0) return fail_errno("read", "it");
  if (n == 0) return fail("truncated: it ends early");
  at_ += static_cast<std::uint64_t>(n);
  TRY(meter_.read(static_cast<std::uint64_t>(n)));
  return std::string_view(buffer_.data(), static_cast<std::size_t>(n));
}

Result<std::string_view> HashingSource::next() {
  const std::string_view bytes = TRY(from_.next());
  hash_.add(bytes);
  return bytes;
}

Result<std::string_view> TailSource::next() {
  const std::string_view bytes = TRY(from_.next());
  if (!bytes.empty()) {
    const std::size_t last = bytes.find_last_not_of('\0');
    zeros_ = last == std::string_view::npos ? zeros_ + bytes.size() : bytes.size() - last - 1;
  }
  return bytes;
}

Result<std::string> HashingSource::digest() {
  while (!TRY(next()).empty()) continue;
  return hash_.hex();
}

void ArchiveCloser::operator()(archive* a) const {
  ::archive_read_free(a);
}

Result<> open_archive(archive* a, ArchiveInput& input) {
  if (::archive_read_open(a, &input, nullptr, read_block, nullptr) == ARCHIVE_OK) return {};
  return archive_error(a, input);
}

Unexpected archive_error(archive* a, const ArchiveInput& input) {
  if (!input.error) return tl::unexpected(input.error.error());
  const char* words = ::archive_error_string(a);
  return fail("truncated or damaged: " + std::string(words != nullptr ? words : "no more is known"));
}

UnpackingSource::UnpackingSource(Source& from, Meter& meter)
    : input_{&from}, archive_(::archive_read_new()), meter_(meter) {}

Result<std::unique_ptr<UnpackingSource>> UnpackingSource::open(Source& from, Meter& meter) {
  std::unique_ptr<UnpackingSource> source(new UnpackingSource(from, meter));
  archive* const a = source->archive_.get();
  for (const auto support : {::archive_read_support_filter_gzip, ::archive_read_support_filter_bzip2,
                             ::archive_read_support_filter_xz, ::archive_read_support_filter_lzma,
                             ::archive_read_support_filter_lz4, ::archive_read_support_filter_zstd,
                             ::archive_read_support_filter_compress})
    if (support(a) < ARCHIVE_WARN) return archive_error(a, source->input_);
  ::archive_read_support_format_raw(a);  // and not "empty", which takes what cannot be unpacked for nothing
  TRY(open_archive(a, source->input_));
  archive_entry* entry = nullptr;
  if (::archive_read_next_header(a, &entry) != ARCHIVE_OK) return archive_error(a, source->input_);
  const int filters = ::archive_filter_count(a) - 1;  // the last is "none"
  if (filters > 1) return fail("compressed more than once");
  source->compressed_ = filters == 1;
  return source;
}

Result<std::string_view> UnpackingSource::next() {
  if (ended_) return std::string_view();
  const void* block = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  const int done = ::archive_read_data_block(archive_.get(), &block, &size, &offset);
  if (done == ARCHIVE_EOF) {
    ended_ = true;
    return std::string_view();
  }
  if (done != ARCHIVE_OK) return archive_error(archive_.get(), input_);
  TRY(meter_.unpacked(size));
  return std::string_view(static_cast<const char*>(block), size);
}

}  // namespace milonga::images
