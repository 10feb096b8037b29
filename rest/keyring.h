// The keys that clients may name in a path, as SHA-256 each. A key is compared in
// a time that tells nothing of it; what is shown of one, in directories, replies
// and the log, is its id.
//
// Privilege: none.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace milonga::rest {

class Keyring {
 public:
  // A line of a key file: "KEY", or "ID KEY". Without an id it is the first 8
  // digits of the key's SHA-256. With one, a new key may take over the directories.
  Result<void> add(std::string_view line);
  // Empty lines and those that begin with '#' do not count. Fails on a file that others can read.
  Result<void> add_file(const std::string& path);

  [[nodiscard]] std::optional<std::string> id_of(std::string_view key) const;
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  static Digest digest_of(std::string_view key);
  struct Entry {
    Digest digest;
    std::string id;
  };
  std::vector<Entry> entries_;
};

}  // namespace milonga::rest
