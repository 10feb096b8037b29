#include "runner/vmm/engine_api.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <memory>

#include "base/utf8.h"
#include "runner/vmm/container.h"

namespace milonga::runner {
namespace {

namespace json = boost::json;

constexpr int kOldestMajor = 1, kOldestMinor = 41;
constexpr std::size_t kLongReply = 16 << 20;  // lists

// A member of an object of objects; null if one of them is missing or of another kind.
const json::value& at(const json::value& value, std::initializer_list<const char*> names) {
  static const json::value none;
  const json::value* here = &value;
  for (const char* name : names) {
    const json::object* object = here->if_object();
    here = object != nullptr ? object->if_contains(name) : nullptr;
    if (here == nullptr) return none;
  }
  return *here;
}

std::string text(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : std::string();
}
bool truth(const json::value& value) {
  return value.is_bool() && value.get_bool();
}
std::int64_t number(const json::value& value) {
  boost::system::error_code error;
  const auto n = value.to_number<std::int64_t>(error);
  return error ? 0 : n;
}
std::vector<std::string> texts(const json::value& value) {
  std::vector<std::string> all;
  if (const json::array* array = value.if_array())
    for (const json::value& one : *array) all.push_back(text(one));
  return all;
}

Result<json::value> parse(const std::string& body) {
  boost::system::error_code error;
  json::value value = json::parse(body, error);
  if (error) return fail("the Engine's reply is not JSON: " + error.message());
  return value;
}

// What stands in the reply of a call that failed: {"message": "..."}.
Error refused(const std::string& call, const HttpReply& reply) {
  const auto parsed = parse(reply.body);
  std::string said = parsed ? text(at(*parsed, {"message"})) : to_utf8(reply.body, 200);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  for (char& c : said)
    if (c == '\n') c = ';';
  if (said.empty()) said = fmt::format("status {} of {}", reply.status, call);
  int code = reply.status == 404 ? ENOENT : 0;
  if (said.find("no space left on device") != std::string::npos) code = ENOSPC;
  return Error{"Docker: " + to_utf8(said, 500), "", code};
}

// Calls `done` with what `read` makes of a reply in JSON.
template <class T>
Done<std::string> read_json(Done<T> done, Result<T> (*read)(const json::value&)) {
  return [done = std::move(done), read](Result<std::string> body) {
    if (!body) return done(Unexpected(body.error()));
    const auto value = parse(*body);
    done(value ? read(*value) : Result<T>(Unexpected(value.error())));
  };
}

Done<std::string> ignore_body(Done<void> done) {
  return [done = std::move(done)](Result<std::string> body) {
    done(body ? Result<void>{} : Result<void>(Unexpected(body.error())));
  };
}

bool is_older(const std::string& api, int major, int minor) {
  int a = 0, b = 0;
  if (std::sscanf(api.c_str(), "%d.%d", &a, &b) != 2) return true;
  return a < major || (a == major && b < minor);
}

std::string escaped(const std::string& value) {
  std::string out;
  for (const unsigned char c : value)
    out += std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' ? std::string(1, static_cast<char>(c))
                                                                    : fmt::format("%{:02X}", c);
  return out;
}

Result<EngineFacts> facts_of(const json::value& v) {
  EngineFacts f{text(at(v, {"Version"})), text(at(v, {"ApiVersion"})), text(at(v, {"MinAPIVersion"}))};
  const std::string wanted = fmt::format("{}.{}", kOldestMajor, kOldestMinor);
  if (is_older(f.api, kOldestMajor, kOldestMinor))
    return fail(fmt::format("Docker {} speaks API {}, older than {}", f.version, f.api, wanted),
                "install Docker 20.10 or newer");
  f.api = is_older(f.oldest_api, kOldestMajor, kOldestMinor) ? wanted : f.oldest_api;
  return f;
}

Result<EngineLimits> limits_of(const json::value& v) {
  return EngineLimits{truth(at(v, {"MemoryLimit"})), truth(at(v, {"SwapLimit"})), truth(at(v, {"PidsLimit"})),
                      truth(at(v, {"CpuCfsQuota"}))};
}

Result<std::vector<FoundContainer>> containers_of(const json::value& v) {
  std::vector<FoundContainer> all;
  if (!v.is_array()) return fail("the Engine's list of containers is none");
  for (const json::value& one : v.get_array())
    all.push_back({text(at(one, {"Id"})), text(at(one, {"Labels", kLabelInstance}))});
  return all;
}

Result<std::vector<std::string>> image_names_of(const json::value& v) {
  std::vector<std::string> all;
  if (!v.is_array()) return fail("the Engine's list of images is none");
  for (const json::value& one : v.get_array())
    for (std::string& name : texts(at(one, {"RepoTags"})))
      if (name != "<none>:<none>") all.push_back(std::move(name));
  return all;
}

Result<std::vector<std::string>> warnings_of(const json::value& v) {
  return texts(at(v, {"Warnings"}));
}

Result<ContainerState> state_of(const json::value& value) {
  ContainerState s;
  s.id = text(at(value, {"Id"}));
  if (s.id.empty()) return fail("the Engine says nothing of the container");
  s.image = text(at(value, {"Image"}));
  s.running = truth(at(value, {"State", "Running"}));
  s.oom_killed = truth(at(value, {"State", "OOMKilled"}));
  s.exit_code = static_cast<int>(number(at(value, {"State", "ExitCode"})));
  s.error = text(at(value, {"State", "Error"}));
  s.memory = static_cast<std::uint64_t>(number(at(value, {"HostConfig", "Memory"})));
  s.memory_and_swap = static_cast<std::uint64_t>(number(at(value, {"HostConfig", "MemorySwap"})));
  s.nano_cpus = number(at(value, {"HostConfig", "NanoCpus"}));
  s.processes = number(at(value, {"HostConfig", "PidsLimit"}));
  s.network = text(at(value, {"HostConfig", "NetworkMode"}));
  s.capabilities = texts(at(value, {"HostConfig", "CapAdd"}));
  s.security = texts(at(value, {"HostConfig", "SecurityOpt"}));
  return s;
}

}  // namespace

HttpRequest EngineApi::request(const std::string& method, const std::string& path, Deadline deadline) const {
  HttpRequest r;
  r.method = method;
  r.url = "http://docker" + prefix_ + path;
  r.unix_socket = socket_;
  r.deadline = deadline;
  return r;
}

EngineApi::Id EngineApi::send(HttpRequest r, Done<std::string> done) {
  const std::string call = r.method + " " + r.url;
  return client_.send(std::move(r),
                      [done = std::move(done), call, socket = socket_](Result<HttpReply> reply) {
                        if (!reply) {
                          Error error = reply.error();  // of the exchange, or of one of our own callbacks
                          if (error.what.starts_with(call))
                            error = {fmt::format("Docker at {}: {}", socket, error.what), "", EHOSTDOWN};
                          return done(Unexpected(std::move(error)));
                        }
                        if (!reply->ok() && reply->status != 304)
                          return done(Unexpected(refused(call, *reply)));
                        done(std::move(reply->body));
                      });
}

EngineApi::Id EngineApi::facts(Deadline deadline, Done<EngineFacts> done) {
  HttpRequest r = request("GET", "/version", deadline);
  r.url = "http://docker/version";  // whatever was spoken before
  return send(std::move(r), read_json(std::move(done), &facts_of));
}

EngineApi::Id EngineApi::limits(Deadline deadline, Done<EngineLimits> done) {
  return send(request("GET", "/info", deadline), read_json(std::move(done), &limits_of));
}

EngineApi::Id EngineApi::list(const std::string& owner, Deadline deadline,
                              Done<std::vector<FoundContainer>> done) {
  const json::object filters{{"label", json::array{fmt::format("{}={}", kLabelOwner, owner)}}};
  HttpRequest r =
      request("GET", "/containers/json?all=1&filters=" + escaped(json::serialize(filters)), deadline);
  r.body_limit = kLongReply;
  return send(std::move(r), read_json(std::move(done), &containers_of));
}

EngineApi::Id EngineApi::images(Deadline deadline, Done<std::vector<std::string>> done) {
  HttpRequest r = request("GET", "/images/json", deadline);
  r.body_limit = kLongReply;
  return send(std::move(r), read_json(std::move(done), &image_names_of));
}

EngineApi::Id EngineApi::find_image(const std::string& image, Deadline deadline, Done<void> done) {
  return send(request("GET", "/images/" + image + "/json", deadline), ignore_body(std::move(done)));
}

EngineApi::Id EngineApi::create(const std::string& name, std::string body, Deadline deadline,
                                Done<std::vector<std::string>> done) {
  HttpRequest r = request("POST", "/containers/create?name=" + escaped(name), deadline);
  r.headers = {"Content-Type: application/json"};
  r.body = std::move(body);
  return send(std::move(r), read_json(std::move(done), &warnings_of));
}

EngineApi::Id EngineApi::copy_in(const std::string& name,
                                 std::function<Result<std::size_t>(char*, std::size_t)> tar,
                                 Deadline deadline, Done<void> done) {
  HttpRequest r = request("PUT", "/containers/" + name + "/archive?path=/", deadline);
  r.headers = {"Content-Type: application/x-tar"};
  r.read_body = std::move(tar);
  return send(std::move(r), ignore_body(std::move(done)));
}

EngineApi::Id EngineApi::attach(const std::string& name, RawStream::Take take, std::function<void()> attached,
                                Deadline deadline, Done<void> done) {
  HttpRequest r = request("POST", "/containers/" + name + "/attach?stream=1&stdout=1&stderr=1", deadline);
  const auto stream = std::make_shared<RawStream>(std::move(take));
  r.on_body = [stream](std::string_view piece) { return stream->feed(piece); };
  r.on_head = [attached = std::move(attached)](long status) {
    if (status >= 200 && status < 300) attached();
  };
  return send(std::move(r), [stream, done = std::move(done)](Result<std::string> ended) {
    if (ended && !stream->at_boundary())
      return done(Unexpected(Error{"the container's stream broke off", "", EHOSTDOWN}));
    done(ended ? Result<void>{} : Result<void>(Unexpected(ended.error())));
  });
}

EngineApi::Id EngineApi::start(const std::string& name, Deadline deadline, Done<void> done) {
  return send(request("POST", "/containers/" + name + "/start", deadline), ignore_body(std::move(done)));
}

EngineApi::Id EngineApi::wait(const std::string& name, Deadline deadline, Done<void> done) {
  return send(request("POST", "/containers/" + name + "/wait", deadline), ignore_body(std::move(done)));
}

EngineApi::Id EngineApi::inspect(const std::string& name, Deadline deadline, Done<ContainerState> done) {
  return send(request("GET", "/containers/" + name + "/json", deadline),
              read_json(std::move(done), &state_of));
}

EngineApi::Id EngineApi::kill(const std::string& name, Deadline deadline, Done<void> done) {
  return send(request("POST", "/containers/" + name + "/kill", deadline), ignore_body(std::move(done)));
}

EngineApi::Id EngineApi::remove(const std::string& name, Deadline deadline, Done<void> done) {
  return send(request("DELETE", "/containers/" + name + "?force=1&v=1", deadline),
              ignore_body([done = std::move(done)](Result<void> removed) {
                const bool gone = !removed && removed.error().code == ENOENT;
                done(gone ? Result<void>{} : removed);
              }));
}

}  // namespace milonga::runner
