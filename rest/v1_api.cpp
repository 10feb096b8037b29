#include "rest/v1_api.h"

#include <boost/json.hpp>

#include "rest/name.h"
#include <rest/openapi.h>  // generated
#include "rest/route.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kMostJson = 1 << 20;  // bytes of a body

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 1; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

Plan at_once(Reply reply) {
  Plan plan;
  plan.reply = std::move(reply);
  return plan;
}

class UploadSink : public BodySink {
 public:
  explicit UploadSink(std::unique_ptr<CourseLabs::Upload> upload) : upload_(std::move(upload)) {}
  Result<void> take(std::string_view bytes) override { return upload_->write(bytes); }
  CourseLabs::Upload& upload() { return *upload_; }

 private:
  std::unique_ptr<CourseLabs::Upload> upload_;
};

}  // namespace

struct V1Api::Route {
  enum class Who { anybody, key } who;
  const char* method;
  const char* path;
  Reply (V1Api::*answer)(const Request&);  // null: put_file, whose body is not kept in memory
};

const std::vector<V1Api::Route>& V1Api::table() {
  using Who = Route::Who;
  static const std::vector<Route> kTable = {
      {Who::anybody, "GET", "/v1/openapi.json", &V1Api::describe},
      {Who::anybody, "GET", "/v1/health", &V1Api::health},
      {Who::key, "GET", "/v1/metrics", &V1Api::metrics},
      {Who::key, "GET", "/v1/hosts", &V1Api::hosts},
      {Who::key, "GET", "/v1/pools", &V1Api::pools},
      {Who::key, "GET", "/v1/labs/{lab}/files", &V1Api::files},
      {Who::key, "PUT", "/v1/labs/{lab}/files/{name}", nullptr},
      {Who::key, "POST", "/v1/labs/{lab}/jobs", &V1Api::create_job},
      {Who::key, "GET", "/v1/jobs", &V1Api::list_jobs},
      {Who::key, "GET", "/v1/jobs/{id}", &V1Api::get_job},
      {Who::key, "DELETE", "/v1/jobs/{id}", &V1Api::cancel_job},
      {Who::key, "GET", "/v1/jobs/{id}/output", &V1Api::output},
      {Who::key, "GET", "/v1/jobs/{id}/events", &V1Api::events},
      {Who::key, "GET", "/v1/jobs/{id}/report", &V1Api::report},
  };
  return kTable;
}

std::vector<std::string> V1Api::routes() {
  std::vector<std::string> all;
  for (const Route& route : table()) all.push_back(std::string(route.method) + " " + route.path);
  return all;
}

std::string_view V1Api::description() {
  return kOpenApi;
}

Reply json_reply(unsigned status, const json::value& value) {
  Reply reply;
  reply.status = status;
  reply.content_type = "application/json";
  reply.body = json::serialize(value) + "\n";
  return reply;
}

Reply problem(unsigned status, std::string_view detail) {
  Reply reply = error_page(status);
  const std::string title = reply.body.substr(13, reply.body.find("</title>") - 13);  // "404: Not Found"
  reply.body =
      json::serialize(json::object{
          {"status", status}, {"title", title.substr(title.find(' ') + 1)}, {"detail", lossy_utf8(detail)}}) +
      "\n";
  reply.content_type = "application/problem+json";
  reply.note = detail;
  return reply;
}

Plan V1Api::begin(const RequestHead& head) {
  const std::size_t question = std::min(head.target.find('?'), head.target.size());
  const auto parts = split(std::string_view(head.target).substr(0, question));
  Request request;
  const Route* found = nullptr;
  std::string allowed;
  for (const Route& route : table()) {
    const auto wanted = split(route.path);
    if (wanted.size() != parts.size()) continue;
    std::vector<std::string> taken;
    bool fits = true;
    for (std::size_t i = 0; i < parts.size() && fits; ++i) {
      const bool any = wanted[i].starts_with('{');
      fits = any ? !parts[i].empty() : parts[i] == wanted[i];
      if (any) taken.push_back(percent_decode(parts[i]));
    }
    if (!fits) continue;
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    if (head.method != route.method) continue;
    found = &route;
    request.parts = std::move(taken);
  }
  if (found == nullptr && allowed.empty())
    return at_once(problem(404, "there is no such path: see /v1/openapi.json"));
  if (found == nullptr) {
    Plan plan = at_once(problem(405, "this path takes " + allowed));
    plan.reply->headers.emplace_back("Allow", allowed);
    return plan;
  }
  request.query = question < head.target.size() ? head.target.substr(question + 1) : "";
  if (found->who == Route::Who::key) {
    const auto later = [](const char* why) {
      Plan plan = at_once(problem(429, why));
      plan.reply->headers.emplace_back("Retry-After", "5");
      return plan;
    };
    if (!failures_.has(head.peer)) return later("too many wrong keys from this address");
    const bool bearer = head.authorization.starts_with("Bearer ");
    const auto access = bearer ? keys_.find(std::string_view(head.authorization).substr(7)) : std::nullopt;
    if (!access) {
      (void)failures_.take(head.peer);
      Plan plan = at_once(problem(401, "a key is needed: Authorization: Bearer KEY"));
      plan.reply->headers.emplace_back("WWW-Authenticate", "Bearer");
      return plan;
    }
    if (!per_key_.take(access->id)) return later("too many requests by this key");
    request.access = *access;
  }
  Plan plan;
  if (found->answer == nullptr) {
    plan = put_file(request);
  } else {
    plan.most_bytes = kMostJson;
    plan.finish = [this, found, head, request](const std::string& body) {
      Request whole = request;
      whole.head = &head;
      whole.body = body;
      return (this->*(found->answer))(whole);
    };
  }
  plan.call = std::string("v1 ") + found->method + " " + found->path;
  return plan;
}

// Everything that can be refused is refused here, before the client sends its file.
Plan V1Api::put_file(const Request& request) {
  const std::string &lab = request.parts[0], &name = request.parts[1];
  if (const std::string why = name_problem(lab, kLongestLab); !why.empty())
    return at_once(problem(400, "bad lab: " + why));
  if (const std::string why = name_problem(name, kLongestFile); !why.empty() || name == "output")
    return at_once(problem(400, "bad file name: " + (why.empty() ? "it is the folder of the results" : why)));
  if (!request.access.may(lab)) return at_once(problem(403, "this key is not for that lab"));
  const std::string folder = request.access.id + "-" + lab;
  if (auto made = labs_.make(folder); !made) return at_once(problem(500, made.error().line()));
  auto upload = labs_.begin_upload();
  if (!upload) return at_once(problem(500, upload.error().line()));
  auto sink = std::make_unique<UploadSink>(std::move(*upload));
  Plan plan;
  plan.most_bytes = options_.max_upload;
  plan.finish = [this, folder, name, to = sink.get()](const std::string&) {
    const auto placed = labs_.place(to->upload(), folder, name);
    if (!placed) return problem(500, placed.error().line());
    return json_reply(*placed ? 201 : 200, json::object{{"name", name}, {"changed", *placed}});
  };
  plan.sink_failed = [](const Error& error) { return problem(507, error.line()); };
  plan.sink = std::move(sink);
  return plan;
}

Reply V1Api::files(const Request& request) {
  const std::string& lab = request.parts[0];
  if (const std::string why = name_problem(lab, kLongestLab); !why.empty())
    return problem(400, "bad lab: " + why);
  if (!request.access.may(lab)) return problem(403, "this key is not for that lab");
  const std::string folder = request.access.id + "-" + lab;
  if (!labs_.exists(folder)) return problem(404, "there is no such lab");
  const auto hashes = labs_.hashes(folder);
  if (!hashes) return problem(500, hashes.error().line());
  json::array list;
  for (const auto& [name, md5] : *hashes) list.push_back({{"name", name}, {"md5", md5}});
  return json_reply(200, json::object{{"files", list}});
}

Reply V1Api::describe(const Request&) {
  Reply reply;
  reply.content_type = "application/json";
  reply.body = kOpenApi;
  return reply;
}

}  // namespace milonga::rest
