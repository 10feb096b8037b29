// The keys that clients may name in a path, as SHA-256 each. A key is compared in
// a time that tells nothing of it; what is shown of one, in directories, replies
// and the log, is its id.
//
// Privilege: none.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace milonga::rest {

// What the holder of a key may see and do.
struct Access {
  std::string id;  // of the key
  std::vector<std::string>
      labs;  // patterns of course labs, as of fnmatch(3); none: all, and what concerns the whole site
  [[nodiscard]] bool everything() const { return labs.empty(); }
  [[nodiscard]] bool may(const std::string& lab) const;
  // The same by a job's lane, "<id>-<lab>".
  [[nodiscard]] bool may_lane(const std::string& lane) const;
};

class Keyring {
 public:
  // A line of a key file: "KEY", or "ID KEY [labs=PATTERN,...]". KEY may be
  // "sha256:" and 64 hex digits instead. Without an id it is the first 8 digits of
  // the key's SHA-256. Several keys may have one id: so a key is replaced by another.
  Result<void> add(std::string_view line);
  // Empty lines and those that begin with '#' do not count. Fails on a file that others can read.
  Result<void> add_file(const std::string& path);

  [[nodiscard]] std::optional<Access> find(std::string_view key) const;
  void add_all(const Keyring& others);
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  static Digest digest_of(std::string_view key);
  struct Entry {
    Digest digest;
    Access access;
  };
  std::vector<Entry> entries_;
};

// The keys in force: those of a file may be read again while requests come. Thread-safe.
class KeysInForce {
 public:
  explicit KeysInForce(Keyring keys) { replace(std::move(keys)); }
  [[nodiscard]] std::optional<Access> find(std::string_view key) const { return now()->find(key); }
  void replace(Keyring keys) {
    const std::lock_guard lock(mutex_);
    keys_ = std::make_shared<const Keyring>(std::move(keys));
  }

 private:
  [[nodiscard]] std::shared_ptr<const Keyring> now() const {
    const std::lock_guard lock(mutex_);
    return keys_;
  }
  mutable std::mutex mutex_;
  std::shared_ptr<const Keyring> keys_;
};

// A new key of 256 bits, and the line for the key file, which does not have it.
struct NewKey {
  std::string key, line;
};
Result<NewKey> make_key(const std::string& id);

}  // namespace milonga::rest
