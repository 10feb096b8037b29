// One process of autodriver-core and the control socket to it. While the object
// lives, the box may; when the socket is closed, also by our death, the core
// kills and removes the box.
//
// Privilege: none here; the program that it starts has.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>

#include "base/core/unique_fd.h"
#include "base/result.h"
#include "sandbox/model/response.h"

namespace milonga {

// Descriptors for the core; the invalid ones are not passed. Ours are closed
// by the caller after start().
struct CoreDescriptors {
  int request = -1;
  int output = -1;
  int input = -1;
  int image = -1;
  std::array<int, 4> cgroups = {-1, -1, -1, -1};  // delegation.h
};

// Whether an answer is of our format, and each name in it one that there is.
bool is_sound(const Response& response);

class CoreClient {
 public:
  // Whether the core will have privilege: by our own uid, or its setuid bit, if that counts here.
  static bool is_privileged();

  // The core that will be started: it lies beside this program, or in ../libexec/milonga.
  static Result<std::string> program();

  static Result<CoreClient> start(const CoreDescriptors& descriptors);

  CoreClient(CoreClient&& other) noexcept;
  CoreClient& operator=(CoreClient&&) = delete;
  ~CoreClient();  // closes the socket first, then waits for the core to end

  // Becomes readable when the core has answered, or is gone.
  [[nodiscard]] int socket() const { return socket_.get(); }

  // Asks for the end of the run; the answer's verdict will be `cancelled`.
  void cancel() const;

  // The answer. Fails, with how the core ended, if it went without one.
  Result<Response> receive();

 private:
  CoreClient(UniqueFd socket, pid_t pid) : socket_(std::move(socket)), pid_(pid) {}
  std::string reap();

  UniqueFd socket_;
  pid_t pid_ = -1;
};

}  // namespace milonga
