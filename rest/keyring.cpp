#include "rest/keyring.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/core/unique_fd.h"

namespace milonga::rest {
namespace {

constexpr std::size_t kLongestKey = 256, kLongestId = 32, kLongestFile = 64 * 1024;

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == 0x7f; });
}

bool is_id(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  return !text.empty() && text.size() <= kLongestId &&
         text.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace

Keyring::Digest Keyring::digest_of(std::string_view key) {
  Digest digest{};
  if (EVP_Digest(key.data(), key.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    bug("SHA-256 is not available");
  return digest;
}

Result<void> Keyring::add(std::string_view line) {
  const std::size_t space = line.find(' ');
  const std::string_view key = space == std::string_view::npos ? line : line.substr(space + 1);
  if (key.empty() || key.size() > kLongestKey || !is_plain(key))
    return fail(fmt::format("a key must be 1 to {} characters without blanks", kLongestKey));
  Entry entry{digest_of(key), {}};
  if (space == std::string_view::npos)
    for (std::size_t i = 0; i < 4; ++i) entry.id += fmt::format("{:02x}", entry.digest[i]);
  else
    entry.id = line.substr(0, space);
  if (!is_id(entry.id))
    return fail(fmt::format("'{}' is no id for a key", entry.id), "letters, digits and '_'");
  entries_.push_back(std::move(entry));
  return {};
}

Result<void> Keyring::add_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0) return fail_errno("read the keys", path);
  if ((st.st_mode & 007) != 0)
    return fail(fmt::format("the keys in '{}' can be read by everybody", path), "chmod o= " + path);
  std::string text(kLongestFile + 1, '\0');
  const ssize_t size = ::read(fd.get(), text.data(), text.size());
  if (size < 0) return fail_errno("read the keys", path);
  if (static_cast<std::size_t>(size) > kLongestFile)
    return fail(fmt::format("'{}' is too large for keys", path));
  text.resize(static_cast<std::size_t>(size));
  for (std::size_t at = 0, number = 1; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (line.empty() || line.front() == '#') continue;
    if (auto added = add(line); !added)
      return fail(fmt::format("{}:{}: {}", path, number, added.error().line()));
  }
  return {};
}

std::optional<std::string> Keyring::id_of(std::string_view key) const {
  const Digest digest = digest_of(key);
  const Entry* found = nullptr;
  for (const Entry& entry : entries_)  // all of them, always
    if (CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0 && found == nullptr)
      found = &entry;
  return found == nullptr ? std::nullopt : std::optional(found->id);
}

}  // namespace milonga::rest
