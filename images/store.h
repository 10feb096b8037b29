// The images of the bare host: root file systems under names, in one directory.
//
//   NAME                  a symbolic link to .store/ID/rootfs: what `--image NAME` opens
//   .store/ID/rootfs/     the tree; ID is the SHA-256 of its manifest
//   .store/ID/manifest    a line for each entry (manifest.h)
//   .store/ID/image.json  where it came from
//   .store/tmp/           imports that go on, each locked by its process (flock)
//
// An image appears, and a name changes what it stands for, by one rename; before it
// all is on the disk (syncfs). What a killed import left is removed by the next
// command that changes the store. Boxes see a tree read-only and hold a shared lock on
// its rootfs while they live (autodriver, open_image), so none is removed under a job.
//
// Privilege: none (the caller's). The host's own store belongs to root.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga::images {

inline constexpr const char* kDefaultStore = "/var/lib/milonga/images";

struct ImageRecord {
  std::string id;             // SHA-256 of the manifest, hex; empty: a directory that somebody made by hand
  std::string format;         // docker-archive, oci, rootfs, directory, gradescope
  std::string source;         // the file or directory it was made of
  std::string reference;      // as a registry has it; may be empty
  std::string architecture;   // may be empty
  std::string config_sha256;  // the id that container engines show; may be empty
  std::uint64_t bytes = 0, entries = 0;
  std::uint64_t layers = 0;
  std::int64_t imported_ms = 0;  // Unix time
};

struct NamedImage {
  std::string name;
  ImageRecord record;
  std::string path;  // of its root
};

// Letters, digits and "._-:@", at most 128, not beginning with a dot or dash; not "default".
Result<> check_image_name(std::string_view name);

// A tree that is not yet an image: a directory of its own, open to nobody else, which is
// removed when the draft is, unless it was published.
class Draft {
 public:
  Draft(Draft&&) noexcept = default;
  Draft& operator=(Draft&&) = delete;
  ~Draft();
  [[nodiscard]] int directory() const { return directory_.get(); }
  [[nodiscard]] const std::string& name() const { return name_; }  // in .store/tmp
  // Its empty directory for the tree, to be handed to a Tree.
  Result<UniqueFd> make_root();

 private:
  friend class Store;
  Draft(UniqueFd temporary, std::string name, UniqueFd directory);
  UniqueFd temporary_;  // .store/tmp
  std::string name_;
  UniqueFd directory_;  // locked
};

enum class Removal { removed, still_named, in_use };

struct Published {
  bool was_there = false;  // under another name, or an earlier import of the same
  bool replaced = false;   // the name stood for another image
};

class Store {
 public:
  // For changing it: made if it is not there. Fails if others could write to it.
  static Result<Store> open(const std::string& path);
  // For looking. Fails if there is none.
  static Result<Store> look(const std::string& path);

  Result<Draft> begin();
  [[nodiscard]] std::string path_of(const Draft& draft) const;
  // The draft's tree, manifest and record become an image of that name.
  Result<Published> publish(Draft& draft, const std::string& name, const ImageRecord& record);

  [[nodiscard]] Result<std::vector<NamedImage>> list() const;
  [[nodiscard]] Result<NamedImage> find(const std::string& name) const;
  // Takes the name away, and the image when it has no other name and no box uses it.
  Result<Removal> remove(const std::string& name);
  struct Collected {
    std::vector<std::string> removed, in_use;  // ids
    std::uint64_t leftovers = 0;               // of imports that died
  };
  Result<Collected> collect();
  // What differs from the image that was imported, at most `most` lines; of a hand-made directory nothing is
  // known.
  [[nodiscard]] Result<std::vector<std::string>> verify(const std::string& name, std::size_t most) const;

 private:
  Store(std::string path, UniqueFd root, UniqueFd inner)
      : path_(std::move(path)), root_(std::move(root)), inner_(std::move(inner)) {}
  [[nodiscard]] Result<UniqueFd> lock() const;
  [[nodiscard]] std::string id_of(const std::string& name) const;
  [[nodiscard]] Result<bool> is_named(const std::string& id) const;
  Result<Removal> discard(const std::string& id);
  Result<std::uint64_t> remove_leftovers();
  Result<> set_name(const std::string& name, const std::string& id);

  std::string path_;
  UniqueFd root_, inner_;  // PATH and PATH/.store (invalid: there is none)
};

}  // namespace milonga::images
