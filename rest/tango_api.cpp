#include "rest/tango_api.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <charconv>

#include "rest/job_view.h"
#include "rest/name.h"
#include "rest/python_json.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

constexpr const char* kJsonType = "application/json; charset=UTF-8";
constexpr std::uint64_t kMostJson = 1 << 20;               // bytes of a body that is JSON
constexpr std::size_t kMostLive = 2000, kMostDead = 1000;  // rows of jobs; Tango has at most 1000 of both

std::string etag_of(std::string_view body) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(body.data(), body.size(), digest, &size, EVP_sha1(), nullptr) != 1) return {};
  std::string out = "\"";
  for (unsigned i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out + "\"";
}

Reply raw(std::string body, const char* type) {
  Reply reply;
  reply.body = std::move(body);
  reply.content_type = type;
  return reply;
}

// The first `most` bytes of a file; nothing if it is not there.
std::optional<std::string> head_of(const std::string& path, std::uint64_t most) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  std::string bytes(std::min(static_cast<std::uint64_t>(st.st_size), most), '\0');
  std::size_t done = 0;
  for (ssize_t n;
       done < bytes.size() && (n = ::read(fd.get(), bytes.data() + done, bytes.size() - done)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {};
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

std::optional<queue::JobId> job_id(const std::string& text) {
  queue::JobId id = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), id);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? std::optional(id) : std::nullopt;
}

class UploadSink : public BodySink {
 public:
  explicit UploadSink(std::unique_ptr<CourseLabs::Upload> upload) : upload_(std::move(upload)) {}
  Result<void> take(std::string_view bytes) override { return upload_->write(bytes); }
  CourseLabs::Upload& upload() { return *upload_; }

 private:
  std::unique_ptr<CourseLabs::Upload> upload_;
};

class Nowhere : public BodySink {
 public:
  Result<void> take(std::string_view) override { return {}; }
};

// A key for some course labs opens these, and nothing that all share.
bool covers(const Access& access, const Route& route) {
  if (!route.courselab.empty()) return access.may(route.courselab);
  const bool of_the_site = route.call == Call::prealloc || route.call == Call::build || route.call == Call::scale;
  return access.everything() || !of_the_site;
}

Plan at_once(Reply reply) {
  Plan plan;
  plan.reply = std::move(reply);
  return plan;
}

}  // namespace

Reply status_reply(int id, std::string_view message, json::object extra) {
  json::object object{{"statusId", id}, {"statusMsg", message}};
  for (auto& field : extra) object[field.key()] = std::move(field.value());
  Reply reply = raw(python_json(object), kJsonType);
  reply.note = message;
  return reply;
}

Reply trace_reply(int id, const json::array& trace) {
  Reply reply = raw(python_json(json::object{{"statusId", id}, {"statusMsg", trace}}), kJsonType);
  reply.note = python_json(trace);
  return reply;
}

Reply failure(const Error& error) {
  return status_reply(-1, error.line());
}

Plan TangoApi::begin(const RequestHead& head) {
  const Route route = parse_route(head.method, head.target);
  Plan plan;
  if (route.call == Call::not_found || route.call == Call::method_not_allowed) {
    plan = at_once(error_page(route.call == Call::not_found ? 404 : 405));
  } else if (route.call == Call::hello) {
    plan = at_once(raw("Hello, world! RESTful Tango here!\n", "text/html; charset=UTF-8"));
    plan.reply->etag = etag_of(plan.reply->body);
  } else if (const auto access = keys_.find(route.key); !access || !covers(*access, route)) {
    plan = at_once(status_reply(-1, "Key not recognized"));
  } else if (const std::string why = name_problem(route.courselab, kLongestLab);
             !route.courselab.empty() && !why.empty()) {
    plan = at_once(status_reply(-1, "Bad courselab: " + why));
  } else if (route.call == Call::upload) {
    plan = begin_upload(head, access->id + "-" + route.courselab);
  } else if (route.call == Call::build) {
    plan = begin_build(head);
  } else {
    plan.most_bytes = kMostJson;
    plan.finish = [this, route, access = *access, get = head.method == "GET"](const std::string& body) {
      Reply reply = answer(route, access, body);
      if (get && reply.etag.empty()) reply.etag = etag_of(reply.body);
      return reply;
    };
  }
  plan.call = route.name;
  return plan;
}

Reply TangoApi::answer(const Route& route, const Access& access, const std::string& body) {
  const std::string lab = access.id + "-" + route.courselab;
  switch (route.call) {
    case Call::open:
      return open(lab);
    case Call::add_job:
      return add_job(access.id, lab, body);
    case Call::poll:
      return poll(route, lab);
    case Call::partial_output:
      return partial_output(route, access);
    case Call::info:
      return info();
    case Call::jobs:
      return jobs(route, access);
    case Call::pool:
      return pool(route.image);
    case Call::prealloc:
      return prealloc(route, body);
    case Call::cancel:
      return cancel(route, lab);
    case Call::scale:
      return scale(route);
    default:
      return error_page(404);
  }
}

Reply TangoApi::open(const std::string& lab) {
  const auto made = labs_.make(lab);
  if (!made) return failure(made.error());
  const auto hashes = labs_.hashes(lab);
  if (!hashes) return failure(hashes.error());
  json::object files;
  for (const auto& [name, md5] : *hashes) files[name] = md5;
  return status_reply(0, *made ? "Created directory" : "Found directory", {{"files", files}});
}

// Everything that can be refused is refused here, before the client sends its file.
Plan TangoApi::begin_upload(const RequestHead& head, const std::string& lab) {
  if (!head.filename) return at_once(status_reply(-1, "the header Filename is missing"));
  const std::string name = header_text(*head.filename);
  if (const std::string why = name_problem(name, kLongestFile); !why.empty())
    return at_once(status_reply(-1, "Bad Filename: " + why));
  if (name == "output") return at_once(status_reply(-1, "Bad Filename: output is the folder of the results"));
  if (!labs_.exists(lab)) return at_once(status_reply(-1, "Courselab not found"));
  auto upload = labs_.begin_upload();
  if (!upload) return at_once(failure(upload.error()));
  auto sink = std::make_unique<UploadSink>(std::move(*upload));
  Plan plan;
  plan.most_bytes = options_.max_upload;
  plan.finish = [this, lab, name, to = sink.get()](const std::string&) {
    const auto placed = labs_.place(to->upload(), lab, name);
    if (!placed) return failure(placed.error());
    return status_reply(0, *placed ? "Uploaded file" : "File exists");
  };
  plan.sink_failed = failure;
  plan.sink = std::move(sink);
  return plan;
}

// Tango builds only with its Docker back end, and answers so with any other.
Plan TangoApi::begin_build(const RequestHead& head) {
  if (!head.image_name) return at_once(status_reply(-1, "the header imageName is missing"));
  Plan plan;
  plan.most_bytes = options_.max_upload;
  plan.sink = std::make_unique<Nowhere>();
  plan.finish = [](const std::string&) { return status_reply(-1, "Image build failed"); };
  return plan;
}

Reply TangoApi::poll(const Route& route, const std::string& lab) {
  // tango-cli quotes the name once more than others do; a name with a real '%' is found by the second try.
  for (const std::string& name : {percent_decode(route.file), route.file}) {
    if (const std::string why = name_problem(name, kLongestFile); !why.empty())
      return status_reply(-1, "Bad output file: " + why);
    auto found = labs_.open_output(lab, name);
    if (!found) return failure(found.error());
    struct stat st {};
    if (*found && ::fstat((*found)->get(), &st) == 0) {
      Reply reply = raw({}, "application/octet-stream");
      reply.file = std::move(**found);
      reply.size = static_cast<std::uint64_t>(st.st_size);
      reply.etag = fmt::format("\"{:x}-{:x}-{:x}{:09}\"", st.st_ino, st.st_size, st.st_mtim.tv_sec,
                               st.st_mtim.tv_nsec);
      return reply;
    }
    if (!route.in_progress) continue;
    const auto job = newest_with_output(labs_.output_path(lab, name));
    if (!job) return failure(job.error());
    if (*job && (*job)->state == queue::State::running)
      return raw(head_of((*job)->live_output, options_.max_output).value_or(""), "application/octet-stream");
  }
  return status_reply(-1, "Output file not found");
}

Reply TangoApi::partial_output(const Route& route, const Access& access) {
  const auto failed = [](const std::string& why) {
    return status_reply(-1, "getPartialOutput request failed: " + why);
  };
  const auto obtained = [](std::string_view text) {
    return status_reply(0, "Partial output obtained", {{"output", lossy_utf8(text)}});
  };
  const auto id = job_id(route.number);
  if (!id) return failed("Invalid job id");
  // Between the question and the reading it may have ended: then it has a result now.
  for (int round = 0; round < 3; ++round) {
    const auto found = queue_.use([&](queue::Queue& q) { return q.find(*id); });
    if (!found) return failed(found.error().line());
    if (!*found || !access.may_lane((*found)->job.lane)) return failed("Invalid job id");
    const queue::Status& status = **found;
    if (status.state == queue::State::waiting) return failed(fmt::format("Job {} is not running yet", *id));
    const std::string path = status.result ? status.result->feedback_path : status.live_output;
    if (auto text = head_of(path, options_.max_output)) return obtained(*text);
    if (status.result) return obtained(status.result->reason);  // it had none
  }
  return obtained("");  // it runs, and has written nothing yet
}

Reply TangoApi::info() {
  return status_reply(0, "Found info successfully", {{"info", counters_.info(queue_, options_.threads)}});
}

// Running and waiting jobs, those that come first in front, at most `most`.
TangoApi::Jobs TangoApi::list_live() {
  return queue_.use([](queue::Queue& q) -> Jobs {
    const queue::Stats stats = TRY(q.stats());
    const std::size_t most = std::min<std::uint64_t>(stats.waiting + stats.running, kMostLive);
    if (most == 0) return std::vector<queue::Status>();
    std::vector<queue::Status> jobs = TRY(q.list(most));
    std::erase_if(jobs, [](const queue::Status& status) { return status.state == queue::State::done; });
    return jobs;
  });
}

TangoApi::Jobs TangoApi::list_all() {
  return queue_.use([](queue::Queue& q) -> Jobs {
    const queue::Stats stats = TRY(q.stats());
    return q.list(stats.waiting + stats.running + kMostDead);
  });
}

Result<std::optional<queue::Status>> TangoApi::newest_with_output(const std::string& path) {
  const auto all = all_();
  if (!*all) return Unexpected(all->error());
  const queue::Status* newest = nullptr;
  for (const queue::Status& status : **all)
    if (status.job.output == path && (newest == nullptr || newest->job.id < status.job.id)) newest = &status;
  return newest == nullptr ? std::optional<queue::Status>() : std::optional(*newest);
}

Reply TangoApi::jobs(const Route& route, const Access& access) {
  int dead = 0;
  const char* end = route.number.data() + route.number.size();
  if (const auto read = std::from_chars(route.number.data(), end, dead);
      read.ec != std::errc() || read.ptr != end)
    return status_reply(-1, fmt::format("'{}' is not a number", lossy_utf8(route.number)));
  Reply reply = status_reply(0, "Found list of jobs", {{"jobs", json::array()}});
  if (dead != 0 && dead != 1) return reply;
  const auto looked = dead == 0 ? live_() : all_();
  const Jobs& found = *looked;
  if (!found) return failure(found.error());
  // Row by row into the text: as JSON values thousands of rows would be tens of megabytes.
  const std::string end_of_reply = reply.body.substr(reply.body.rfind(']'));
  reply.body.resize(reply.body.size() - end_of_reply.size());
  const std::size_t begin = reply.body.size();
  // One whose record is on its way from the runner's directory to the done ones has no name just now.
  for (const queue::Status& status : *found)
    if ((status.state == queue::State::done) == (dead == 1) && access.may_lane(status.job.lane) &&
        (status.job.created_ms != 0 || !status.record_error.empty()))
      reply.body += (reply.body.size() == begin ? "" : ", ") + python_json(job_row(status, shown_output(status.job)));
  reply.body += end_of_reply;
  return reply;
}

// In Tango's shape, of which Autolab cuts out what stands between "courselabs/" and "-".
std::string TangoApi::shown_output(const queue::Job& job) const {
  const std::string relative = labs_.relative(job.output);
  return relative.empty() ? job.output : "courselabs/" + relative;
}

}  // namespace milonga::rest
