#include "rest/md5.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/result.h"

namespace milonga::rest {
namespace {

constexpr std::size_t kMostEntries = 20'000;  // some 4 MiB

}  // namespace

Md5::Md5() : context_(EVP_MD_CTX_new()) {
  if (EVP_DigestInit_ex(context_, EVP_md5(), nullptr) != 1) bug("MD5 is not available");
}

Md5::~Md5() {
  EVP_MD_CTX_free(context_);
}

void Md5::add(std::string_view bytes) {
  EVP_DigestUpdate(context_, bytes.data(), bytes.size());
}

std::string Md5::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context_, digest, &size);
  std::string out;
  for (unsigned i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

Md5Cache::Key Md5Cache::key_of(const struct stat& file) {
  return {file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
}

std::optional<std::string> Md5Cache::find(const struct stat& file) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(key_of(file));
  if (found == index_.end()) return {};
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->second;
}

void Md5Cache::add(const struct stat& file, const std::string& md5) {
  const std::lock_guard lock(mutex_);
  const Key key = key_of(file);
  if (index_.contains(key)) return;
  entries_.emplace_front(key, md5);
  index_[key] = entries_.begin();
  if (entries_.size() > kMostEntries) {
    index_.erase(entries_.back().first);
    entries_.pop_back();
  }
}

}  // namespace milonga::rest
