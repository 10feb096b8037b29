#include "rest/keyring.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "base/core/unique_fd.h"

namespace milonga::rest {
namespace {

constexpr std::size_t kLongestKey = 256, kLongestId = 32, kLongestFile = 64 * 1024;

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == 0x7f; });
}

constexpr std::string_view kHashed = "sha256:";

bool read_digest(std::string_view hex, std::array<unsigned char, 32>& to) {
  if (hex.size() != 2 * to.size()) return false;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto read = std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, to[i], 16);
    if (read.ec != std::errc() || read.ptr != hex.data() + 2 * i + 2) return false;
  }
  return true;
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

bool Access::may(const std::string& lab) const {
  return labs.empty() || std::any_of(labs.begin(), labs.end(), [&](const std::string& pattern) {
           return ::fnmatch(pattern.c_str(), lab.c_str(), 0) == 0;
         });
}

bool Access::may_lane(const std::string& lane) const {
  return labs.empty() || (lane.starts_with(id + "-") && may(lane.substr(id.size() + 1)));
}

Result<void> Keyring::add(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end + 1;
  }
  const std::string& key = words.size() == 1 ? words[0] : words[1];
  if (key.empty() || key.size() > kLongestKey || !is_plain(key) || words.size() > 3)
    return fail(fmt::format("a key must be 1 to {} characters without blanks", kLongestKey));
  Entry entry{};
  if (!key.starts_with(kHashed))
    entry.digest = digest_of(key);
  else if (!read_digest(std::string_view(key).substr(kHashed.size()), entry.digest))
    return fail("after sha256: there must be 64 hex digits", "milonga-rest --new-key ID prints such a line");
  if (words.size() == 1)
    for (std::size_t i = 0; i < 4; ++i) entry.access.id += fmt::format("{:02x}", entry.digest[i]);
  else
    entry.access.id = words[0];
  if (!is_id(entry.access.id))
    return fail(fmt::format("'{}' is no id for a key", entry.access.id), "letters, digits and '_'");
  if (words.size() == 3) {
    if (!words[2].starts_with("labs=") || words[2].size() == 5)
      return fail(fmt::format("'{}' is not labs=PATTERN", words[2]), "such as labs=cs101-*");
    for (std::size_t at = 5; at <= words[2].size();) {
      const std::size_t end = std::min(words[2].find(',', at), words[2].size());
      entry.access.labs.push_back(words[2].substr(at, end - at));
      at = end + 1;
    }
  }
  entries_.push_back(std::move(entry));
  return {};
}

void Keyring::add_all(const Keyring& others) {
  entries_.insert(entries_.end(), others.entries_.begin(), others.entries_.end());
}

Result<NewKey> make_key(const std::string& id) {
  if (!is_id(id)) return fail(fmt::format("'{}' is no id for a key", id), "letters, digits and '_'");
  std::array<unsigned char, 32> secret{};
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size()))
    return fail_errno("take random bytes for", "a key");
  NewKey made;
  for (const unsigned char byte : secret) made.key += fmt::format("{:02x}", byte);
  std::array<unsigned char, 32> digest{};
  if (EVP_Digest(made.key.data(), made.key.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    bug("SHA-256 is not available");
  made.line = id + " " + std::string(kHashed);
  for (const unsigned char byte : digest) made.line += fmt::format("{:02x}", byte);
  return made;
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

std::optional<Access> Keyring::find(std::string_view key) const {
  const Digest digest = digest_of(key);
  const Entry* found = nullptr;
  for (const Entry& entry : entries_)  // all of them, always
    if (CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0 && found == nullptr)
      found = &entry;
  return found == nullptr ? std::nullopt : std::optional(found->access);
}

}  // namespace milonga::rest
