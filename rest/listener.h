// Where the server listens: sockets, made and named.
//
//   127.0.0.1:3000   [::1]:3000   :3000 (every address)   tls:[::]:3443   unix:/run/milonga/rest.sock
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <string>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga::rest {

struct ListenAddress {
  bool tls = false;
  std::string unix_path;  // not empty: a socket of this name, and nothing of the next two counts
  std::string address = "127.0.0.1";
  std::uint16_t port = 3000;  // 0: any free one
};

// Fails with one line that names the form.
Result<ListenAddress> parse_listen(const std::string& text);

class Listener {
 public:
  // A unix socket is for its owner and group (mode 0660); one that a dead server left is replaced,
  // one that a living server has is an error.
  static Result<Listener> open(const ListenAddress& where);
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();  // removes the unix socket's name

  [[nodiscard]] int fd() const { return fd_.get(); }
  UniqueFd take() { return std::move(fd_); }
  [[nodiscard]] int family() const { return family_; }
  [[nodiscard]] const ListenAddress& where() const { return where_; }  // with the port that it got
  [[nodiscard]] std::string shown() const;

 private:
  Listener(ListenAddress where, UniqueFd fd, int family)
      : where_(std::move(where)), fd_(std::move(fd)), family_(family) {}
  ListenAddress where_;
  UniqueFd fd_;
  int family_;
};

// Who is at the other end: an address without port, or "unix".
std::string peer_of(int fd);

}  // namespace milonga::rest
