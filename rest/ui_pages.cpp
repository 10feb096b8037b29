// The pages of the status page, made on the server from the queue's own words.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "rest/html.h"
#include "rest/job_json.h"
#include "rest/job_view.h"
#include "rest/ui.h"
#include "rest/utc.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

constexpr std::size_t kRecent = 50;
constexpr int kMinutes = 60;

// When its runner took it: the first line that the runner wrote down; 0: not known.
std::int64_t taken_ms(const queue::Status& status) {
  if (!status.result) return 0;
  json::error_code error;
  const json::value timing = json::parse(status.result->timing_json, error);
  if (error || !timing.is_object()) return 0;
  const json::value* trace = timing.as_object().if_contains("trace");
  if (trace == nullptr || !trace->is_array() || trace->as_array().empty()) return 0;
  const json::value& first = trace->as_array().front();
  const json::value* at = first.is_object() ? first.as_object().if_contains("at_ms") : nullptr;
  return at != nullptr && at->is_int64() ? at->as_int64() : 0;
}

double seconds_between(std::int64_t from_ms, std::int64_t to_ms) {
  return static_cast<double>(std::max<std::int64_t>(to_ms - from_ms, 0)) / 1000;
}

std::string courses(const std::vector<queue::Status>& jobs, std::int64_t now_ms) {
  struct Lab {
    int waiting = 0, running = 0;
    std::int64_t oldest_ms = 0;
  };
  std::map<std::string, Lab> labs;
  for (const queue::Status& status : jobs) {
    if (status.state == queue::State::done) continue;
    Lab& lab = labs[lab_of(status.job)];
    ++(status.state == queue::State::waiting ? lab.waiting : lab.running);
    if (status.state == queue::State::waiting &&
        (lab.oldest_ms == 0 || status.job.created_ms < lab.oldest_ms))
      lab.oldest_ms = status.job.created_ms;
  }
  std::string out = "<h2>Queue by course lab</h2>\n";
  if (labs.empty()) return out + "<p class=\"dim\">Nothing waits or runs.</p>\n";
  out +=
      "<div class=\"scroll\"><table id=\"labs\"><tr><th>Course lab<th class=\"n\">Waiting<th class=\"n\">Running<th "
      "class=\"n\">Longest wait</tr>\n";
  for (const auto& [name, lab] : labs)
    out += fmt::format("<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}</tr>\n",
                       escape(name), lab.waiting, lab.running,
                       lab.oldest_ms == 0 ? "" : duration(seconds_between(lab.oldest_ms, now_ms)));
  return out + "</table></div>\n";
}

std::string hosts(const std::vector<queue::Runner>& runners) {
  std::string out = "<h2>Hosts</h2>\n";
  if (runners.empty())
    return out + "<p class=\"bad\">No daemon takes jobs from this queue: start milongad.</p>\n";
  const auto text = [](const json::value& v) {
    return v.is_null() ? "?" : v.is_string() ? std::string(v.as_string()) : json::serialize(v);
  };
  out +=
      "<div class=\"scroll\"><table id=\"hosts\"><tr><th>Host<th>Driver<th class=\"n\">Slots<th "
      "class=\"n\">Running<th class=\"n\">Boxes ahead<th>Since (UTC)</tr>\n";
  for (const queue::Runner& runner : runners) {
    json::object about = runner_json(runner);
    if (about.at("since").is_string())  // to the minute
      about["since"] = std::string(about.at("since").as_string()).replace(10, 1, " ").substr(0, 16);
    std::string places;
    for (const json::value& place : about.at("places").as_array()) places += (places.empty() ? " " : ", ") + text(place);
    out += fmt::format(
        "<tr><td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"word\">{}</tr>\n",
        escape(text(about.at("host"))), escape(text(about.at("driver")) + places), text(about.at("slots")), runner.running,
        about.at("warm").is_null() ? "" : text(about.at("warm")), escape(text(about.at("since"))));
  }
  return out + "</table></div>\n";
}

std::string pools(const std::map<std::string, TangoApi::Pool>& pools) {
  std::string out = "<h2>Pools</h2>\n";
  if (pools.empty()) return out + "<p class=\"dim\">No image has jobs or was asked for ahead.</p>\n";
  out +=
      "<div class=\"scroll\"><table id=\"pools\"><tr><th>Image<th class=\"n\">Asked for<th class=\"n\">Running<th "
      "class=\"n\">Waiting</tr>\n";
  for (const auto& [image, pool] : pools)
    out += fmt::format("<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}</tr>\n", escape(image), pool.size,
                       pool.running, pool.waiting);
  return out + "</table></div>\n";
}

// What stopped it, in the report's words; else how it ended.
std::string evidence(const queue::Status& status) {
  if (!status.record_error.empty()) return status.record_error;
  if (!status.result) return {};
  const json::object job = job_json(status);
  const json::value* facts = job.if_contains("evidence");
  if (facts == nullptr || !facts->is_object()) return status.result->reason;
  std::string out = status.result->reason;
  const auto add = [&](const char* name, const auto& shown) {
    const json::value* value = facts->as_object().if_contains(name);
    if (value != nullptr && !value->is_null()) out += "; " + shown(*value);
  };
  add("stopped_by", [](const json::value& v) {
    return "stopped by " + (v.is_string() ? std::string(v.as_string()) : json::serialize(v));
  });
  add("exit_code", [](const json::value& v) { return "exit " + json::serialize(v); });
  add("cpu_s", [](const json::value& v) {
    return v.is_number() ? "CPU " + duration(v.to_number<double>()) : std::string("CPU ?");
  });
  add("memory_peak_bytes", [](const json::value& v) {
    return v.is_number() ? fmt::format("{:.0f} MiB", v.to_number<double>() / (1 << 20))
                         : std::string("? MiB");
  });
  return out;
}

std::string verdict_cell(const queue::Status& status) {
  if (!status.result) return state_name(status.state);
  const std::string verdict = verdict_of(*status.result);
  const std::string word = !verdict.empty()                                      ? verdict
                           : status.result->outcome == queue::Outcome::cancelled ? "cancelled"
                                                                                 : "gave up";
  return fmt::format("<span class=\"{}\">{}</span>", verdict == "ok" ? "ok" : "bad", escape(word));
}

std::string recent(const std::vector<queue::Status>& jobs, std::int64_t now_ms) {
  std::vector<const queue::Status*> newest;
  for (const queue::Status& status : jobs) newest.push_back(&status);
  std::sort(newest.begin(), newest.end(), [](const auto* a, const auto* b) { return a->job.id > b->job.id; });
  // Those that run first: they are what somebody looks for.
  std::stable_sort(newest.begin(), newest.end(), [](const auto* a, const auto* b) {
    return (a->state == queue::State::running) > (b->state == queue::State::running);
  });
  if (newest.size() > kRecent) newest.resize(kRecent);
  std::string out =
      "<h2>Recent jobs</h2>\n<div class=\"wide\"><table id=\"jobs\"><tr><th class=\"n\">Id<th>Job<th>Course "
      "lab<th>Verdict<th>Evidence<th class=\"n\">Waited<th "
      "class=\"n\">Took</tr>\n";
  for (const queue::Status* status : newest) {
    const std::int64_t taken = taken_ms(*status);
    const bool waits = status->state == queue::State::waiting;
    out += fmt::format(
        "<tr><td class=\"n\"><a href=\"/ui/jobs/{0}\">{0}</a><td>{1}<td class=\"word\">{2}<td class=\"word\">{3}<td>{4}<td "
        "class=\"n\">{5}<td class=\"n\">{6}</tr>\n",
        status->job.id, escape(status->job.name), escape(lab_of(status->job)), verdict_cell(*status),
        escape(evidence(*status)),
        taken != 0 ? duration(seconds_between(status->job.created_ms, taken))
        : waits    ? duration(seconds_between(status->job.created_ms, now_ms))
                   : "",
        taken != 0 ? duration(seconds_between(taken, status->result->finished_ms)) : "");
  }
  return out + "</table></div>\n";
}

std::string plots(const std::vector<queue::Status>& jobs, std::int64_t now_ms) {
  const std::int64_t this_minute = now_ms / 60'000;
  std::vector<Bar> finished(kMinutes), waited(kMinutes);
  std::vector<std::vector<double>> waits(kMinutes);
  for (int i = 0; i < kMinutes; ++i)
    finished[i].label = waited[i].label = iso_utc((this_minute - kMinutes + 1 + i) * 60'000).substr(11, 5);
  for (const queue::Status& status : jobs) {
    if (!status.result) continue;
    const std::int64_t i = kMinutes - 1 - (this_minute - status.result->finished_ms / 60'000);
    if (i < 0 || i >= kMinutes) continue;
    const auto at = static_cast<std::size_t>(i);
    finished[at].value += 1;
    if (const std::int64_t taken = taken_ms(status))
      waits[at].push_back(seconds_between(status.job.created_ms, taken));
  }
  for (std::size_t i = 0; i < waits.size(); ++i) {
    if (waits[i].empty()) continue;
    std::sort(waits[i].begin(), waits[i].end());
    waited[i].value = waits[i][waits[i].size() / 2];
    waited[i].behind = waits[i].back();
  }
  return "<h2>The last hour (UTC)</h2>\n<div class=\"plots\">" +
         bars("Jobs finished each minute", "jobs", finished) +
         bars("Wait in seconds: median, and the longest behind it", "s", waited) + "</div>\n";
}

}  // namespace

std::string overview_page(const Overview& now, std::int64_t now_ms) {
  const queue::Stats& stats = now.stats;
  std::string body = fmt::format(
      "<h1>Milonga</h1>\n<ul "
      "class=\"facts\"><li><b>{}</b>waiting<li><b>{}</b>running<li><b>{}</b>done<li><b{}>{}</b>files set "
      "aside</ul>\n",
      stats.waiting, stats.running, stats.done, stats.bad == 0 ? "" : " class=\"bad\"", stats.bad);
  body += courses(now.jobs, now_ms);
  if (const auto live = stats.waiting + stats.running; live > now.jobs.size())
    body += fmt::format("<p class=\"dim\">Of the {} jobs that wait or run, the first {}.</p>\n", live,
                        now.jobs.size());
  body += hosts(now.runners) + pools(now.pools) + plots(now.jobs, now_ms) + recent(now.jobs, now_ms);
  body += fmt::format("<p class=\"dim\">As of {}. The page loads itself again every 10 s.</p>\n",
                      iso_utc(now_ms));
  return html_page("Milonga", "<meta http-equiv=\"refresh\" content=\"10\">", body);
}

std::string job_page(const queue::Status& status, const std::string& output) {
  const queue::Job& job = status.job;
  const auto row = [](const char* name, const std::string& html) {
    return fmt::format("<tr><th>{}<td>{}</tr>\n", name, html);
  };
  std::string body =
      fmt::format("<p><a href=\"/ui/\">Status</a></p>\n<h1>Job {}: {}</h1>\n<table id=\"job\" class=\"narrow\">", job.id,
                  escape(job.name));
  body += row("Course lab", escape(lab_of(job))) + row("Image", escape(job.image)) +
          row("State", fmt::format("<span id=\"state\">{}</span>{}", state_name(status.state),
                                   status.cancel_requested ? ", being cancelled" : "")) +
          row("Attempt", std::to_string(status.attempt));
  if (status.position >= 0) body += row("Jobs before it", std::to_string(status.position));
  if (status.result) body += row("Verdict", verdict_cell(status)) + row("Evidence", escape(evidence(status)));
  if (!status.record_error.empty()) body += row("Error", escape(status.record_error));
  if (!status.publish_error.empty()) body += row("Not published", escape(status.publish_error));
  body += row("Submitted", iso_utc(job.created_ms));
  if (status.result) body += row("Finished", iso_utc(status.result->finished_ms));
  body += "</table>\n<h2>Trace</h2>\n<table class=\"narrow\">";
  for (const std::string& entry : trace_of(status)) {
    const std::size_t bar = entry.find('|');
    body +=
        fmt::format("<tr><td>{}<td>{}</tr>\n", escape(entry.substr(0, bar)), escape(entry.substr(bar + 1)));
  }
  const bool live = status.state != queue::State::done;
  body += fmt::format("</table>\n<h2>{}</h2>\n<pre id=\"output\"{}>{}</pre>\n",
                      live ? "Output so far" : "Feedback",
                      live ? fmt::format(" data-events=\"/ui/jobs/{}/events\"", job.id) : "", escape(output));
  return html_page(fmt::format("Job {}", job.id), live ? "<script src=\"/ui/app.js\" defer></script>" : "", body);
}

}  // namespace milonga::rest
