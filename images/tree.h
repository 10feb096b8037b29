// A root file system as it grows, layer by layer, from an archive that nobody vouches for.
//
// Every path is resolved by the kernel beneath the root and through no symbolic
// link (openat2(2): RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS), so nothing that the
// archive made is ever followed. What is made is plain: owned by who imports, without
// setuid, setgid and sticky bit, not writable for group and others, without
// extended attributes: in a box all of it is read-only, and on the host no user
// whose number an image happens to use can change it.
//
// Layers as in the OCI image specification, layer.md: a later one adds and
// replaces; ".wh.NAME" hides NAME of earlier ones, ".wh..wh..opq" all that earlier
// ones put into its directory, wherever in its layer it stands.
//
// An error is the rule alone, without the entry's path: the caller knows it.
//
// Privilege: none (the caller's).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga::images {

struct FileDigest {
  ino_t inode;
  std::array<char, 64> sha256;  // hex
};

class Tree {
 public:
  // `root`: an empty directory, open, into which nobody else can reach.
  explicit Tree(UniqueFd root) : root_(std::move(root)) {}

  void begin_layer() { made_.clear(), first_layer_ = layers_++ == 0; }

  // `path` in all of these: from clean_path(), and not empty, unless said.
  Result<> directory(const std::string& path, mode_t mode);  // "": the root
  Result<> symlink(const std::string& path, const std::string& target);
  Result<> hard_link(const std::string& path, const std::string& to);  // `to`: a regular file
  // An empty new file to write to.
  Result<UniqueFd> file(const std::string& path, mode_t mode);
  // When it is written: its time (s since 1970) and what it holds.
  Result<> finish(const UniqueFd& file, std::uint64_t size, std::int64_t mtime, const std::string& sha256);

  // Is it a whiteout (".wh.…")? Then it is done, and nothing is to be made.
  Result<bool> whiteout(const std::string& path);

  [[nodiscard]] int root() const { return root_.get(); }
  // What was written, unordered; of an inode that was used again the last is right.
  std::vector<FileDigest> take_digests() { return std::move(digests_); }

 private:
  enum class Kind { directory, file, symlink, none };
  struct Place {
    int parent;  // O_PATH
    std::string leaf;
  };
  Result<UniqueFd> open_directory(const std::string& path);
  Result<> make_directories(const std::string& path);
  Result<Place> place_of(const std::string& path);
  Result<> make_room(const std::string& path, const Place& place, Kind kind);
  Result<> hide(const std::string& path);
  Result<> hide_below(int directory, const std::string& path);
  [[nodiscard]] bool is_of_this_layer(const std::string& path) const;
  void note(const std::string& path) { made_.insert(std::hash<std::string>()(path)); }

  UniqueFd root_, parent_;
  std::string parent_path_;               // what parent_ is, if that is open
  std::unordered_set<std::size_t> made_;  // hashes of paths that this layer made
  std::vector<FileDigest> digests_;
  int layers_ = 0;
  bool first_layer_ = true;
};

}  // namespace milonga::images
