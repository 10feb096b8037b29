// Jobs, health and metrics of our own API.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <charconv>

#include "rest/job_feed.h"
#include "rest/job_json.h"
#include "rest/name.h"
#include "rest/route.h"
#include "rest/v1_api.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostRows = 200;
constexpr int kMostProbes = 2000;  // ids looked at for one page
constexpr int kMostFeeds = 48;     // each takes two inotify instances, of which a user has 128

template <class Number>
bool read_number(std::string_view text, Number& to) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), to);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

std::string query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with("="))
      return percent_decode(pair.substr(name.size() + 1));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

std::string line(const char* name, const char* help, const char* kind, std::uint64_t value) {
  return fmt::format("# HELP milonga_{0} {1}\n# TYPE milonga_{0} {2}\nmilonga_{0} {3}\n", name, help, kind,
                     value);
}

}  // namespace

Reply V1Api::create_job(const Request& request) {
  const std::string& lab = request.parts[0];
  if (const std::string why = name_problem(lab, kLongestLab); !why.empty())
    return problem(400, "bad lab: " + why);
  if (!request.access.may(lab)) return problem(403, "this key is not for that lab");
  const auto job = parse_job_request(request.body);
  if (!job) return problem(400, job.error().line());
  using Kind = TangoApi::Added::Kind;
  const TangoApi::Added added = tango_.submit(*job, request.access.id, request.access.id + "-" + lab);
  if (added.kind == Kind::would_be) return json_reply(200, json::object{{"dry_run", true}});
  if (added.kind == Kind::accepted) {
    Reply reply = json_reply(201, json::object{{"id", added.id}, {"state", "waiting"}});
    reply.headers.emplace_back("Location", fmt::format("/v1/jobs/{}", added.id));
    return reply;
  }
  Reply reply = problem(added.kind == Kind::not_valid ? 422
                        : added.kind == Kind::full    ? 503
                                                      : 500,
                        fmt::format("{}", fmt::join(added.problems, "; ")));
  if (added.kind == Kind::full) reply.headers.emplace_back("Retry-After", "30");
  return reply;
}

Result<std::optional<queue::Status>> V1Api::find(const Request& request) {
  queue::JobId id = 0;
  if (!read_number(request.parts[0], id)) return std::optional<queue::Status>();
  auto status = TRY(queue_.use([&](queue::Queue& q) { return q.find(id); }));
  if (status && !request.access.may_lane(status->job.lane)) status.reset();
  return status;
}

Reply V1Api::get_job(const Request& request) {
  const auto status = find(request);
  if (!status) return problem(500, status.error().line());
  return *status ? json_reply(200, job_json(**status)) : problem(404, "there is no such job");
}

// Newest first, by ids below the cursor: a page stays what it is while new jobs come.
Reply V1Api::list_jobs(const Request& request) {
  std::size_t limit = 50;
  queue::JobId below = 0;
  const std::string limit_text = query_value(request.query, "limit"),
                    cursor = query_value(request.query, "cursor");
  const std::string state = query_value(request.query, "state"), lab = query_value(request.query, "lab");
  if (!limit_text.empty() && (!read_number(limit_text, limit) || limit < 1 || limit > kMostRows))
    return problem(400, fmt::format("limit must be 1 to {}", kMostRows));
  if (!cursor.empty() && (!read_number(cursor, below) || below < 1))
    return problem(400, "this is no cursor of ours");
  if (!state.empty() && state != "waiting" && state != "running" && state != "done")
    return problem(400, "state must be waiting, running or done");
  json::array rows;
  const auto listed = queue_.use([&](queue::Queue& q) -> Result<void> {
    if (below == 0) {
      const queue::Stats stats = TRY(q.stats());
      for (const queue::Status& status : TRY(q.list(stats.waiting + stats.running + 1)))
        below = std::max(below, status.job.id + 1);
    }
    for (int probes = 0; below > 1 && rows.size() < limit && probes < kMostProbes; ++probes) {
      const auto status = TRY(q.find(--below));
      if (!status || !request.access.may_lane(status->job.lane)) continue;
      if ((!state.empty() && state != state_name(status->state)) ||
          (!lab.empty() && lab != lab_of(status->job)))
        continue;
      rows.emplace_back(job_json(*status));
    }
    return {};
  });
  if (!listed) return problem(500, listed.error().line());
  const json::value next = below > 1 ? json::value(std::to_string(below)) : json::value(nullptr);
  return json_reply(200, json::object{{"jobs", rows}, {"next_cursor", next}});
}

Reply V1Api::cancel_job(const Request& request) {
  const auto status = find(request);
  if (!status) return problem(500, status.error().line());
  if (!*status) return problem(404, "there is no such job");
  const auto answer =
      queue_.use([&](queue::Queue& q) { return q.cancel((*status)->job.id, "key " + request.access.id); });
  if (!answer) return problem(500, answer.error().line());
  switch (*answer) {
    case queue::CancelAnswer::cancelled:
      return json_reply(200, json::object{{"id", (*status)->job.id}, {"state", "done"}});
    case queue::CancelAnswer::cancelling:
      return json_reply(
          202, json::object{{"id", (*status)->job.id}, {"state", "running"}, {"cancel_requested", true}});
    case queue::CancelAnswer::already_done:
      return problem(409, "the job is done already");
    case queue::CancelAnswer::unknown_id:
      break;
  }
  return problem(404, "there is no such job");
}

Reply V1Api::output(const Request& request) {
  const auto status = find(request);
  if (!status) return problem(500, status.error().line());
  if (!*status) return problem(404, "there is no such job");
  const std::string& path = (*status)->result ? (*status)->result->feedback_path : (*status)->live_output;
  Reply reply;
  reply.content_type = "application/octet-stream";
  reply.file.reset(path.empty() ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st {};
  if (reply.file.valid() && ::fstat(reply.file.get(), &st) == 0)
    reply.size = static_cast<std::uint64_t>(st.st_size);
  reply.headers.emplace_back("Milonga-Complete", (*status)->result ? "true" : "false");
  return reply;
}

Reply V1Api::events(const Request& request) {
  const auto status = find(request);
  if (!status) return problem(500, status.error().line());
  if (!*status) return problem(404, "there is no such job");
  if (feeds_ >= kMostFeeds) {
    Reply busy = problem(503, "too many read events just now");
    busy.headers.emplace_back("Retry-After", "10");
    return busy;
  }
  const auto describe = [](const queue::Status& now) { return json::serialize(job_json(now)); };
  auto feed = follow_job(queue_, (*status)->job.id, request.head->last_event_id, describe, feeds_);
  if (!feed) return problem(500, feed.error().line());
  Reply reply;
  reply.content_type = "text/event-stream";
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.feed = std::move(*feed);
  return reply;
}

Reply V1Api::report(const Request& request) {
  const auto status = find(request);
  if (!status) return problem(500, status.error().line());
  if (!*status) return problem(404, "there is no such job");
  if (!(*status)->result || (*status)->result->report_json.empty())
    return problem(404, "the job has no report");
  Reply reply;
  reply.content_type = "application/json";
  reply.body = (*status)->result->report_json;
  return reply;
}

Reply V1Api::health(const Request&) {
  const auto stats = queue_.use([](queue::Queue& q) { return q.stats(); });
  if (!stats) return problem(503, "the queue cannot be read");  // anybody may ask: no path, no reason
  return json_reply(200,
                    json::object{{"status", "ok"}, {"waiting", stats->waiting}, {"running", stats->running}});
}

// Text for Prometheus, version 0.0.4.
Reply V1Api::metrics(const Request&) {
  const auto stats = queue_.use([](queue::Queue& q) { return q.stats(); });
  if (!stats) return problem(503, stats.error().line());
  Reply reply;
  reply.content_type = "text/plain; version=0.0.4";
  reply.body =
      line("jobs_waiting", "Jobs that wait.", "gauge", stats->waiting) +
      line("jobs_running", "Jobs in a box.", "gauge", stats->running) +
      line("jobs_done", "Jobs whose result is kept.", "gauge", stats->done) +
      line("files_set_aside", "Broken files in bad/.", "gauge", stats->bad) +
      line("event_streams", "Clients that read events.", "gauge", static_cast<std::uint64_t>(feeds_.load()));
  return reply;
}

Reply V1Api::hosts(const Request& request) {
  if (!request.access.everything()) return problem(403, "this key is for some labs only");
  const auto runners = queue_.use([](queue::Queue& q) { return q.runners(); });
  if (!runners) return problem(503, runners.error().line());
  json::array list;
  for (const queue::Runner& runner : *runners) list.push_back(runner_json(runner));
  return json_reply(200, json::object{{"hosts", std::move(list)}});
}

Reply V1Api::pools(const Request& request) {
  if (!request.access.everything()) return problem(403, "this key is for some labs only");
  const auto all = tango_.pools();
  if (!all) return problem(503, all.error().line());
  json::array list;
  for (const auto& [image, pool] : *all)
    list.push_back({{"image", image}, {"size", pool.size}, {"running", pool.running}, {"waiting", pool.waiting}});
  return json_reply(200, json::object{{"pools", std::move(list)}});
}

}  // namespace milonga::rest
