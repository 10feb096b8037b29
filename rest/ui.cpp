#include "rest/ui.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rest/ui_assets.h>  // generated
#include <boost/json.hpp>
#include <charconv>

#include "rest/html.h"
#include "rest/job_feed.h"
#include "rest/job_json.h"
#include "rest/job_view.h"
#include "rest/name.h"
#include "rest/scoreboard.h"
#include "rest/scores.h"

namespace milonga::rest {
namespace {

constexpr std::size_t kMostJobs = 2000;  // looked at for the overview
constexpr std::size_t kMostScored = 5000;  // looked at for a scoreboard: the newest of all labs
constexpr std::string_view kScoreboards = "/ui/scoreboard/";
constexpr int kMostFeeds = 16;
constexpr off_t kMostOutput = 256 * 1024;  // bytes on a job's page: its end

Reply page(unsigned status, std::string body, const char* type = "text/html; charset=utf-8") {
  Reply reply;
  reply.status = status;
  reply.content_type = type;
  reply.body = std::move(body);
  reply.headers = {
      {"Content-Security-Policy",
       "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
       "form-action 'none'; frame-ancestors 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cache-Control", "no-store"}};
  return reply;
}

Reply sorry(unsigned status, std::string_view why) {
  return page(status, fmt::format("<!doctype html><html lang=\"en\"><title>Milonga</title><link "
                                  "rel=\"stylesheet\" href=\"/ui/style.css\">"
                                  "<p>{}</p><p><a href=\"/ui/\">Status</a></p></html>\n",
                                  escape(why)));
}

Reply key_needed(std::string_view which) {
  Reply reply = sorry(401, std::string(which) + " is needed, as the password; the name does not matter.");
  reply.headers.emplace_back("WWW-Authenticate", "Basic realm=\"Milonga\", charset=\"UTF-8\"");
  return reply;
}

// The password of "Basic base64(NAME:PASSWORD)".
std::string password_of(std::string_view authorization) {
  if (!authorization.starts_with("Basic ") || authorization.size() > 1024) return {};
  authorization.remove_prefix(6);
  std::string decoded(authorization.size(), '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(decoded.data()),
                                   reinterpret_cast<const unsigned char*>(authorization.data()),
                                   static_cast<int>(authorization.size()));
  if (size < 0) return {};
  decoded.resize(static_cast<std::size_t>(size));
  while (decoded.ends_with('\0')) decoded.pop_back();  // for the padding
  const std::size_t colon = decoded.find(':');
  return colon == std::string::npos ? std::string() : decoded.substr(colon + 1);
}

std::string end_of(const std::string& path) {
  UniqueFd fd(path.empty() ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  const off_t size = std::min(st.st_size, kMostOutput);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  const ssize_t n = ::pread(fd.get(), bytes.data(), bytes.size(), st.st_size - size);
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return (st.st_size > size ? "[the beginning is not shown]\n" : "") + bytes;
}

queue::JobId job_id(const std::string& text) {
  queue::JobId id = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), id);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? id : 0;
}

}  // namespace

Ui::Ui(const KeysInForce& keys, CourseLabs& labs, QueuePool& queue, TangoApi& tango)
    : keys_(keys), labs_(labs), queue_(queue), tango_(tango), scored_([this] {
        return queue_.use([](queue::Queue& q) { return q.list(kMostScored); });
      }) {}

Plan Ui::begin(const RequestHead& head) {
  Plan plan;
  plan.call = "ui";
  const std::string path = head.target.substr(0, head.target.find('?'));
  const auto at_once = [&](Reply reply) {
    plan.reply = std::move(reply);
    return std::move(plan);
  };
  if (head.method != "GET") return at_once(sorry(405, "Only GET is known here."));
  if (path == "/ui/style.css") return at_once(page(200, std::string(kStyle), "text/css"));
  if (path == "/ui/app.js") return at_once(page(200, std::string(kScript), "text/javascript"));
  if (!failures_.has(head.peer))
    return at_once(sorry(429, "Too many wrong keys from this address: wait some seconds."));
  const auto access = keys_.find(password_of(head.authorization));
  if (!access && !head.authorization.empty()) (void)failures_.take(head.peer);
  if (path.starts_with(kScoreboards)) {
    if (!access && !visitors_.take(head.peer)) return at_once(sorry(429, "Too often: wait some seconds."));
    const std::string lab = percent_decode(std::string_view(path).substr(kScoreboards.size()));
    plan.finish = [this, lab, access](const std::string&) { return scoreboard(lab, access); };
    return plan;
  }
  if (!access || !access->everything()) return at_once(key_needed("A key for the whole site"));
  plan.finish = [this, path, head](const std::string&) { return answer(path, head); };
  return plan;
}

Reply Ui::answer(const std::string& path, const RequestHead& head) {
  if (path == "/ui" || path == "/ui/") return overview();
  if (path.starts_with("/ui/jobs/")) {
    const std::string rest = path.substr(9);
    if (rest.ends_with("/events")) return events(rest.substr(0, rest.size() - 7), head.last_event_id);
    return job(rest);
  }
  return sorry(404, "There is no such page.");
}

Reply Ui::overview() {
  Overview now;
  const auto read = queue_.use([&](queue::Queue& q) -> Result<void> {
    now.stats = TRY(q.stats());
    now.jobs = TRY(q.list(kMostJobs));
    now.runners = TRY(q.runners());
    return {};
  });
  if (!read) return sorry(500, read.error().line());
  auto pools = tango_.pools();
  if (!pools) return sorry(500, pools.error().line());
  now.pools = std::move(*pools);
  return page(200, overview_page(now, unix_ms()));
}

// `lab` as in the directory's name, "<key id>-<lab>", or the lab alone, of the key that asks. Who may
// not look learns nothing, not even whether there is such a lab.
Reply Ui::scoreboard(const std::string& lab, const std::optional<Access>& access) {
  if (!name_problem(lab, kLongestFile).empty()) return sorry(404, "There is no such page.");
  std::string folder = lab;
  if (access && !labs_.exists(folder)) folder = access->id + "-" + lab;
  const auto text = labs_.read_file(folder, kScoreboardFile);
  if (!text) return sorry(500, text.error().line());
  const auto settings = *text ? parse_scoreboard(**text) : Result<ScoreboardSettings>(ScoreboardSettings());
  const bool may = access && (access->everything() || access->may_lane(folder));
  if (!may && !(settings && settings->open)) return key_needed("A key for this course lab");
  if (!*text) return sorry(404, fmt::format("This lab shows no scoreboard: it has no file {}.", kScoreboardFile));
  if (!settings) return sorry(500, settings.error().line());
  const auto looked = scored_();
  const TangoApi::Jobs& jobs = *looked;
  if (!jobs) return sorry(500, jobs.error().line());
  std::map<std::string, const queue::Status*> newest;  // of each student
  for (const queue::Status& status : *jobs) {
    if (!status.result || status.job.lane != folder || verdict_of(*status.result).empty()) continue;
    const queue::Status*& kept = newest[student_of(status.job.output.substr(status.job.output.rfind('/') + 1))];
    if (kept == nullptr || kept->job.id < status.job.id) kept = &status;
  }
  std::vector<Standing> standings;
  for (const auto& [student, status] : newest)
    if (auto scored = autoresult(feedback_end(*status->result)))
      standings.push_back({student, std::move(*scored), status->result->finished_ms});
  return page(200, scoreboard_page(lab, *settings, std::move(standings)));
}

Reply Ui::job(const std::string& id) {
  const auto found = queue_.use([&](queue::Queue& q) { return q.find(job_id(id)); });
  if (!found) return sorry(500, found.error().line());
  if (!*found) return sorry(404, "There is no such job.");
  const queue::Status& status = **found;
  return page(200,
              job_page(status, end_of(status.result ? status.result->feedback_path : status.live_output)));
}

Reply Ui::events(const std::string& id, const std::string& last_event_id) {
  if (feeds_ >= kMostFeeds) return sorry(503, "Too many look at live output just now.");
  const auto describe = [](const queue::Status& now) { return boost::json::serialize(job_json(now)); };
  auto feed = follow_job(queue_, job_id(id), last_event_id, describe, feeds_);
  if (!feed) return sorry(404, feed.error().line());
  Reply reply = page(200, "", "text/event-stream");
  reply.feed = std::move(*feed);
  return reply;
}

}  // namespace milonga::rest
