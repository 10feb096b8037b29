// The import of an image from an archive: whatever it is, nothing outside of the store
// is touched, what is made is plain, what is refused leaves nothing, and what is taken
// verifies.
//
// Input: the archive. It is imported as it is, and then applied twice as a layer, so that
// its whiteouts meet something. All on a tmpfs of its own.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "images/beneath.h"
#include "images/import.h"
#include "images/stream.h"
#include "tests/fuzz/fuzz.h"

namespace milonga {
namespace {

namespace fs = std::filesystem;

constexpr images::Limits kLimits{.bytes = 1 << 20, .entries = 300, .ratio = 200};
constexpr const char* kVictim = "/tmp/victim";

void must(int result, const char* what) {
  if (result == 0) return;
  std::fprintf(stderr, "fuzz image: cannot %s: %s\n", what, std::strerror(errno));
  std::_Exit(77);
}

void write_file(const char* path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::size_t entries_of(const std::string& directory) {
  const fs::directory_iterator all(directory);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

void check_tree(int root) {
  const std::vector<std::string> names = *images::names_in(root);
  for (const std::string& name : names) {
    struct stat st {};
    fuzz::hold(::fstatat(root, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0, "what is listed is there");
    fuzz::hold(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode) || S_ISLNK(st.st_mode),
               "only files, directories and links");
    if (S_ISLNK(st.st_mode)) continue;
    fuzz::hold((st.st_mode & 07022) == 0,
               "no setuid, setgid or sticky bit, nothing that others may write to");
    fuzz::hold(st.st_uid == ::geteuid(), "all is of who imports");
    if (!S_ISDIR(st.st_mode)) continue;
    const UniqueFd child = images::open_beneath(root, name, O_RDONLY | O_DIRECTORY);
    if (child.valid()) check_tree(child.get());
  }
}

void import_once() {
  auto store = images::Store::open("/tmp/store");
  fuzz::hold(store.has_value(), "a store can be made");
  images::ImportPlan plan;
  plan.path = "/tmp/input";
  plan.name = "x";
  plan.limits = kLimits;
  const auto imported = images::import_image(*store, plan);
  fuzz::hold(entries_of("/tmp/store/.store/tmp") == 0, "an import leaves nothing behind");
  fuzz::hold(entries_of("/tmp/store/.store") == (imported ? 2u : 1u), "an image is there, or it is not");
  if (!imported) return fuzz::hold(!imported.error().what.empty(), "a refusal says why");
  const UniqueFd root(::open("/tmp/store/x", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  fuzz::hold(root.valid(), "the image has its name");
  check_tree(root.get());
  const auto differences = store->verify("x", 1);
  fuzz::hold(differences && differences->empty(), "what was imported verifies");
}

void apply_twice(std::size_t size) {
  must(::mkdir("/tmp/tree", 0755), "make a directory");
  const UniqueFd input(::open("/tmp/input", O_RDONLY | O_CLOEXEC));
  images::Tree tree(UniqueFd(::open("/tmp/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  for (int layer = 0; layer < 2; ++layer) {
    images::Meter meter(kLimits, nullptr);
    images::FileSource file(input.get(), 0, size, meter);
    (void)!!images::apply_layer(file, tree, meter, images::Devices::leave_out);
  }
  check_tree(tree.root());
}

}  // namespace
}  // namespace milonga

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  using namespace milonga;
  const uid_t uid = ::getuid();
  const gid_t gid = ::getgid();
  if (::geteuid() != 0) {
    must(::unshare(CLONE_NEWUSER), "make a user namespace");
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
    write_file("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
  }
  must(::unshare(CLONE_NEWNS), "make a mount namespace");
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make the mounts private");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace milonga;
  // On a tmpfs on /tmp: libFuzzer's own files are elsewhere. A fresh one would cost more than to empty it.
  static const bool mounted =
      ::mount("fuzz", "/tmp", "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "size=32m,nr_inodes=8192") == 0;
  must(mounted ? 0 : -1, "mount a tmpfs");
  ::umask(022);
  must(::mkdir(kVictim, 0777), "make a directory");
  write_file("/tmp/input", fuzz::text_of(data, size));
  import_once();
  apply_twice(size);
  fuzz::hold(entries_of(kVictim) == 0 && entries_of("/tmp") == 4, "nothing is made outside of the store");
  const UniqueFd top(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::vector<std::string> names = *images::names_in(top.get());
  for (const std::string& name : names) must(images::remove_all(top.get(), name) ? 0 : -1, "empty the tmpfs");
  return 0;
}
