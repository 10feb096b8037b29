// addJob and cancel.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "queue/record.h"
#include "rest/job_view.h"
#include "rest/name.h"
#include "rest/tango_api.h"
#include "rest/utc.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kFullIsKnown{1};  // counting the jobs lists the spool

// Tango rejects a job with its trace: a list of lines, not a sentence.
Reply rejected(const std::vector<std::string>& problems) {
  json::array trace;
  const std::string now = ctime_utc(unix_ms());
  for (std::string problem : problems) {
    std::replace(problem.begin(), problem.end(), '|', '/');
    trace.emplace_back(fmt::format("{}|{}", now, problem));
  }
  return trace_reply(-1, trace);
}

Reply not_valid(std::vector<std::string> problems) {
  const std::size_t count = problems.size();
  for (std::string& problem : problems) problem = "validateJob: " + problem;
  problems.push_back(fmt::format("validateJob: Job rejected: {} errors", count));
  return rejected(problems);
}

}  // namespace

// In Tango's order and words where it has them.
std::vector<std::string> TangoApi::problems_of(const JobRequest& request, const std::string& lab) const {
  std::vector<std::string> problems;
  if (request.name.empty()) problems.emplace_back("Missing job.name");
  if (request.image.empty())
    problems.emplace_back("Missing job.vm.image");
  else if (!knows_image(request.image))
    problems.push_back("Image not found: " + lossy_utf8(request.image));
  const bool lab_is_there = labs_.exists(lab);
  const std::string output = fmt::format("courselabs/{}/output/{}", lab, lossy_utf8(request.output_file));
  if (request.output_file.empty())
    problems.emplace_back("Missing job.outputFile");
  else if (!lab_is_there || !name_problem(request.output_file, kLongestFile).empty())
    problems.push_back("Bad output path: " + output);
  bool makefile = false;
  for (const JobFile& file : request.files) {
    if (file.local.empty())
      problems.emplace_back("Missing inputFile.localFile");
    else if (!lab_is_there)
      problems.push_back("Bad output path: " + output);
    else if (const std::string why = name_problem(file.local, kLongestFile); !why.empty())
      problems.push_back("Bad inputFile.localFile: " + why);
    if (const std::string why = name_problem(file.dest, kLongestFile); !why.empty())
      problems.push_back("Bad inputFile.destFile: " + why);
    makefile = makefile || file.dest == "Makefile";
  }
  if (!makefile) problems.emplace_back("Missing Makefile in input files.");
  return problems;
}

queue::Job TangoApi::job_from(const JobRequest& request, const std::string& key_id, const std::string& lab) {
  queue::Job job;
  job.name = request.name;
  job.lane = lab;
  const auto image = options_.images.find(request.image);
  job.image = image != options_.images.end() ? image->second : options_.images.at("*");
  job.directory = "autolab";
  job.output = labs_.output_path(lab, request.output_file);
  job.callback_url = request.callback_url;
  job.submitter = "rest:" + key_id;
  job.options = options_.job_options;
  job.options["wall-time"] = std::to_string(request.timeout_s.value_or(options_.default_timeout_s));
  const std::uint64_t wanted = request.max_kb == 0 ? options_.max_output : request.max_kb * 1024;
  job.options["output"] = std::to_string(std::min(wanted, options_.max_output));
  if (options_.host_network && !request.disable_network) job.options["network"] = "host";
  for (const JobFile& file : request.files) job.labels[kFileLabel + file.dest] = file.local;
  for (const auto& [name, note] : request.notes) job.labels[name] = note;
  job.labels[kImageLabel] = request.image;
  // What prealloc said of this image's machines, unless the job says otherwise.
  if (const auto pools = read_pools(); pools)
    if (const json::value* pool = pools->if_contains(request.image); pool != nullptr && pool->is_object()) {
      if (const json::value* memory = pool->as_object().if_contains("memory"))
        job.options["memory"] = fmt::format("{}M", memory->to_number<std::uint64_t>());
      if (const json::value* cores = pool->as_object().if_contains("cores"))
        job.labels[kCoresLabel] = std::to_string(cores->to_number<std::uint64_t>());
    }
  if (request.memory_mb) job.options["memory"] = fmt::format("{}M", *request.memory_mb);
  return job;
}

Result<bool> TangoApi::queue_is_full() {
  const std::lock_guard lock(full_mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now < full_known_until_) return full_;
  const queue::Stats stats = TRY(queue_.use([](queue::Queue& q) { return q.stats(); }));
  full_ = stats.waiting >= options_.max_waiting;
  full_known_until_ = now + kFullIsKnown;
  return full_;
}

TangoApi::Added TangoApi::submit(const JobRequest& request, const std::string& key_id, const std::string& lab) {
  using Kind = Added::Kind;
  std::vector<std::string> problems = problems_of(request, lab);
  if (!problems.empty()) return {Kind::not_valid, 0, std::move(problems)};
  queue::Job job = job_from(request, key_id, lab);
  if (auto checked = queue::check_job(job); !checked) return {Kind::not_valid, 0, {checked.error().line()}};
  const auto staged = labs_.stage(lab, request.files);
  if (!staged) return {Kind::not_valid, 0, {staged.error().line()}};
  const auto full = queue_is_full();
  if (!full) return {Kind::failed, 0, {full.error().line()}};
  if (*full) return {Kind::full, 0, {fmt::format("Error: the queue is full: {} jobs wait", options_.max_waiting)}};
  if (request.dry_run) return {Kind::would_be, 0, {}};
  auto old = labs_.put_aside(lab, request.output_file);
  if (!old) return {Kind::not_valid, 0, {old.error().line()}};
  const auto id = queue_.use([&](queue::Queue& q) { return q.submit(std::move(job), (*staged)->path()); });
  if (!id) return {Kind::not_valid, 0, {id.error().line()}};
  if (*old) (*old)->drop();
  counters_.accepted(*id);
  return {Kind::accepted, *id, {}};
}

Reply TangoApi::add_job(const std::string& key_id, const std::string& lab, const std::string& body) {
  const auto request = parse_job_request(body);
  if (!request) return failure(request.error());
  Added added = submit(*request, key_id, lab);
  switch (added.kind) {
    case Added::Kind::accepted:
      return status_reply(0, "Job added", {{"jobId", std::to_string(added.id)}});
    case Added::Kind::would_be:
      return status_reply(0, "Job would be added");
    case Added::Kind::not_valid:
      return not_valid(std::move(added.problems));
    case Added::Kind::full:
      return rejected(added.problems);
    case Added::Kind::failed:
      break;
  }
  return status_reply(-1, added.problems.front());
}

Reply TangoApi::cancel(const Route& route, const std::string& lab) {
  const std::string name = percent_decode(route.file);
  const auto job = newest_with_output(labs_.output_path(lab, name));
  if (!job) return status_reply(-4, "Job cancellation failed");
  if (!*job) return status_reply(-2, "Job cancellation failed because the job was not found");
  const auto answer = queue_.use([&](queue::Queue& q) { return q.cancel((*job)->job.id, "the REST API"); });
  if (!answer) return status_reply(-4, "Job cancellation failed");
  switch (*answer) {
    case queue::CancelAnswer::cancelled:
    case queue::CancelAnswer::cancelling:
      return status_reply(0, "Job cancelled");
    case queue::CancelAnswer::already_done:
      return status_reply(-3, "Job cancellation failed because job already completed");
    case queue::CancelAnswer::unknown_id:
      break;
  }
  return status_reply(-2, "Job cancellation failed because the job was not found");
}

}  // namespace milonga::rest
