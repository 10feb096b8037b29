// What the server (server.h) and the API (tango_api.h) say to each other: plain
// data, without a word of sockets.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"

namespace milonga::rest {

struct RequestHead {
  std::string method, target;
  std::optional<std::string> filename, image_name;  // headers of upload and build
  std::string if_none_match;
  std::string peer;           // an address, or "unix"
  std::string authorization;  // header, empty if there is none
  std::string last_event_id;  // header of who reads a feed on
};

// A body that goes on while there is news. Used by one thread at a time.
class Feed {
 public:
  virtual ~Feed() = default;
  // Readable when next() may have something.
  [[nodiscard]] virtual int fd() const = 0;
  // What is new, perhaps nothing; `end` is set with the last of it.
  virtual std::string next(bool& end) = 0;
};

struct Reply {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  UniqueFd file;  // instead of the body: this file from its start, `size` bytes
  std::uint64_t size = 0;
  std::unique_ptr<Feed> feed;  // instead of both
  std::string etag;            // with the quotes; empty: none
  std::vector<std::pair<std::string, std::string>> headers;  // others
  std::string note;  // for the log
};

// Where a body goes that is not kept in memory. Destroyed before finish(): what came is dropped.
class BodySink {
 public:
  virtual ~BodySink() = default;
  virtual Result<void> take(std::string_view bytes) = 0;
};

// What to do with a request, decided from its head alone.
struct Plan {
  std::string call;                               // for the log
  std::optional<Reply> reply;                     // answer now: the body, if there is one, is not wanted
  std::uint64_t most_bytes = 0;                   // longest body
  std::unique_ptr<BodySink> sink;                 // null: into memory
  std::function<Reply(std::string body)> finish;  // when the body is whole
  std::function<Reply(const Error& error)> sink_failed;  // when the sink could not take it
};

// Called on worker threads, several at once.
class Service {
 public:
  virtual ~Service() = default;
  virtual Plan begin(const RequestHead& head) = 0;
};

// The page that Tornado sends: "404: Not Found".
Reply error_page(unsigned status);

}  // namespace milonga::rest
