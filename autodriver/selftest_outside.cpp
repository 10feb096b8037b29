#include "autodriver/selftest_outside.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

namespace milonga {

namespace fs = std::filesystem;

Outside::Outside(Outside&& other) noexcept
    : folder_(std::exchange(other.folder_, {})),
      planted_(std::move(other.planted_)),
      inet_(std::move(other.inet_)),
      unix_(std::move(other.unix_)),
      shm_(std::exchange(other.shm_, -1)) {}

Outside::~Outside() {
  std::error_code error;
  if (!folder_.empty()) fs::remove_all(folder_, error);
  if (shm_ >= 0) ::shmctl(shm_, IPC_RMID, nullptr);
}

Result<> Outside::listen_on_both() {
  inet_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (::bind(inet_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 ||
      ::listen(inet_.get(), 4) != 0 ||
      ::getsockname(inet_.get(), reinterpret_cast<sockaddr*>(&at), &size) != 0)
    return fail_errno("listen on", "127.0.0.1");
  planted_.port = std::to_string(ntohs(at.sin_port));
  unix_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  planted_.abstract = "milonga-selftest-" + std::to_string(::getpid());
  std::memcpy(name.sun_path + 1, planted_.abstract.data(), planted_.abstract.size());
  size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + planted_.abstract.size());
  if (::bind(unix_.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 || ::listen(unix_.get(), 4) != 0)
    return fail_errno("listen on", planted_.abstract);
  return {};
}

Result<Outside> Outside::make() {
  Outside outside;
  std::string folder = fs::temp_directory_path().string() + "/milonga-selftest-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return fail_errno("make a directory like", folder);
  outside.folder_ = folder;
  std::error_code error;
  fs::create_directory(outside.job(), error);
  fs::copy_file("/proc/self/exe", outside.job() + "/autodriver", error);
  if (error) return fail_errno("copy autodriver into", outside.job(), "", error.value());
  fs::permissions(outside.job() + "/autodriver", fs::perms(0755), error);
  outside.planted_.file = folder + "/secret";
  std::ofstream(outside.planted_.file) << "secret\n";
  fs::permissions(outside.planted_.file, fs::perms(0644), error);
  fs::permissions(folder, fs::perms(0755), error);
  outside.planted_.process = "mlgst" + std::to_string(::getpid());  // 15 bytes are kept
  ::prctl(PR_SET_NAME, outside.planted_.process.c_str(), 0, 0, 0);
  TRY(outside.listen_on_both());
  const key_t key = 0x4d4c0000 + (::getpid() & 0xffff);
  outside.shm_ = ::shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0644);
  if (outside.shm_ < 0) return fail_errno("make shared memory", "");
  outside.planted_.shm_key = std::to_string(key);
  return outside;
}

bool Outside::was_reached() const {
  pollfd both[] = {{inet_.get(), POLLIN, 0}, {unix_.get(), POLLIN, 0}};
  return ::poll(both, 2, 0) > 0;
}

bool Outside::daemon_lives() const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    std::string comm;
    if (std::getline(std::ifstream(entry.path() / "comm"), comm) && comm == planted_.process + "d")
      return true;
  }
  return false;
}

}  // namespace milonga
