// The unpacking of a job's files: no stream, however malformed, makes a file
// outside of the directory, unless through a link that the stream itself made
// (in a box, that leads into the box).
//
// It runs on a tmpfs of its own, as the root of the thread that unpacks; the rest
// of the program, and libFuzzer's own files, stay where they are.
#include "sandbox/core/input.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/core/unique_fd.h"
#include "tests/fuzz/fuzz.h"

namespace milonga {
namespace {

namespace fs = std::filesystem;

void must(int result, const char* what) {
  if (result == 0) return;
  std::fprintf(stderr, "fuzz input_stream: cannot %s: %s\n", what, std::strerror(errno));
  std::_Exit(77);
}

void write_file(const char* path, const std::string& text) {
  std::ofstream(path) << text;
}

// Who is not root becomes so in a user namespace; that has to be before the first thread.
void become_able_to_mount() {
  if (::geteuid() == 0) return;
  const uid_t uid = ::getuid();
  const gid_t gid = ::getgid();
  must(::unshare(CLONE_NEWUSER), "make a user namespace");
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
  write_file("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
}

void enter_own_root() {
  must(::unshare(CLONE_NEWNS | CLONE_FS), "make a mount namespace");
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make the mounts private");
  must(::mount("fuzz", "/tmp", "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "size=16m,nr_inodes=4096"),
       "mount a tmpfs");
  must(::chroot("/tmp"), "enter the tmpfs");
  must(::chdir("/"), "enter the tmpfs");
}

std::size_t entries_of(const char* directory) {
  const fs::directory_iterator all(directory);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

bool has_link(const char* directory) {
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_symlink()) return true;
  return false;
}

void unpack_one(std::string_view stream) {
  must(::mkdir("/box", 0700), "make the box's directory");
  must(::chdir("/box"), "enter the box's directory");
  UniqueFd fd(::memfd_create("stream", MFD_CLOEXEC));
  fuzz::hold(::pwrite(fd.get(), stream.data(), stream.size(), 0) == static_cast<ssize_t>(stream.size()),
             "a memfd");
  (void)!!core::unpack_input(fd.get());
  fuzz::hold(entries_of("/") == 1 || has_link("/box"), "nothing is made outside of the directory");
  must(::chdir("/"), "leave the box's directory");
  for (const auto& entry : fs::directory_iterator("/")) fs::remove_all(entry);
}

// One thread for all inputs.
class Unpacker {
 public:
  Unpacker() {
    become_able_to_mount();
    std::thread([this] { work(); }).detach();
  }
  void unpack(std::string_view stream) {
    std::unique_lock lock(mutex_);
    stream_ = &stream;
    changed_.notify_all();
    changed_.wait(lock, [this] { return stream_ == nullptr; });
  }

 private:
  void work() {
    enter_own_root();
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stream_ != nullptr; });
      unpack_one(*stream_);
      stream_ = nullptr;
      changed_.notify_all();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string_view* stream_ = nullptr;
};

Unpacker& unpacker() {
  static Unpacker& one = *new Unpacker;
  return one;
}

}  // namespace
}  // namespace milonga

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  milonga::unpacker();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  milonga::unpacker().unpack(milonga::fuzz::text_of(data, size));
  return 0;
}
