// The calls of Docker's Engine API that the driver makes, as functions: over the
// Engine's unix socket, each with a deadline, none blocking. Any Engine from
// 20.10 (API 1.41) on; a newer one is spoken to in the oldest version it knows.
//
// An Error has the code ENOENT if what was named is not there, ENOSPC if the
// Engine's disk is full, EHOSTDOWN if there was no answer at all; else 0.
//
// Source: https://docs.docker.com/engine/api/v1.41/
// Privilege: none; whoever may open the socket is root on its host.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runner/http_client.h"
#include "runner/vmm/raw_stream.h"
#include "runner/vmm/vmm.h"

namespace milonga::runner {

struct EngineFacts {
  std::string version;  // "20.10.24"
  std::string api;      // "1.41": what is spoken
  std::string oldest_api;
};

// What of the limits it can enforce (GET /info).
struct EngineLimits {
  bool memory = false, swap = false, processes = false, cpus = false;
};

struct FoundContainer {
  std::string id;
  std::string instance;  // its label
};

// A container that has ended, and what it was given, read back.
struct ContainerState {
  std::string id, image;  // the image's digest
  bool running = false, oom_killed = false;
  int exit_code = 0;
  std::string error;                              // the Engine's, e.g. of a start that failed
  std::uint64_t memory = 0, memory_and_swap = 0;  // bytes; 0: no limit
  std::int64_t nano_cpus = 0, processes = 0;      // 0: no limit
  std::string network;
  std::vector<std::string> capabilities, security;
};

class EngineApi {
 public:
  using Id = HttpClient::Id;

  // `client` must outlive it.
  EngineApi(HttpClient& client, std::string socket) : client_(client), socket_(std::move(socket)) {}

  [[nodiscard]] const std::string& socket() const { return socket_; }
  void speak(const std::string& api) { prefix_ = "/v" + api; }

  Id facts(Deadline deadline, Done<EngineFacts> done);  // fails if it is older than API 1.41
  Id limits(Deadline deadline, Done<EngineLimits> done);
  Id list(const std::string& owner, Deadline deadline, Done<std::vector<FoundContainer>> done);
  Id images(Deadline deadline, Done<std::vector<std::string>> done);  // their names with tags
  Id find_image(const std::string& image, Deadline deadline, Done<void> done);

  Id create(const std::string& name, std::string body, Deadline deadline,
            Done<std::vector<std::string>> done);  // warnings
  // Unpacks a tar at the container's top.
  Id copy_in(const std::string& name, std::function<Result<std::size_t>(char*, std::size_t)> tar,
             Deadline deadline, Done<void> done);
  // Everything that the container writes, from now on until it ends. `attached` is called, from inside
  // libcurl (so post what follows), when the Engine has taken the request.
  Id attach(const std::string& name, RawStream::Take take, std::function<void()> attached, Deadline deadline,
            Done<void> done);
  Id start(const std::string& name, Deadline deadline, Done<void> done);
  Id wait(const std::string& name, Deadline deadline, Done<void> done);  // until it does not run
  Id inspect(const std::string& name, Deadline deadline, Done<ContainerState> done);
  Id kill(const std::string& name, Deadline deadline, Done<void> done);
  Id remove(const std::string& name, Deadline deadline,
            Done<void> done);  // running or not, with its volumes; gone is well too

  void cancel(Id id) { client_.cancel(id); }

 private:
  HttpRequest request(const std::string& method, const std::string& path, Deadline deadline) const;
  Id send(HttpRequest request, Done<std::string> done);  // the reply's body

  HttpClient& client_;
  std::string socket_;
  std::string prefix_;
};

}  // namespace milonga::runner
