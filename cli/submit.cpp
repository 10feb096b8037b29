// milonga submit DIRECTORY
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>

#include "autodriver/input_list.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "cli/farewell.h"
#include "cli/follow.h"
#include "queue/record.h"

namespace milonga::cli {
namespace {

namespace fs = std::filesystem;

// As a path that means the same to the daemon, which runs elsewhere.
std::string absolute(const std::string& path) {
  std::error_code error;
  const fs::path result = fs::absolute(path, error);
  return error ? path : result.lexically_normal().string();
}

Result<queue::Job> job_from(const Arguments& arguments) {
  queue::Job job;
  std::error_code error;
  const fs::path directory = fs::canonical(arguments.words.front(), error);
  if (error || !fs::is_directory(directory))
    return fail_errno("open", arguments.words.front(), "it must be a directory with the job's files",
                      error ? error.value() : ENOTDIR);
  job.directory = directory.filename().string();
  if (job.directory.empty()) return fail("cannot submit '/'", "name the directory with the job's files");
  job.name = arguments.has("name") ? arguments.get("name") : job.directory;
  job.lane = arguments.has("lane") ? arguments.get("lane") : "default";
  job.job_class = arguments.has("bulk") ? queue::JobClass::bulk : queue::JobClass::interactive;
  const std::string& image = arguments.box.image;
  job.image = image.find('/') == std::string::npos ? image : absolute(image);
  job.command = arguments.argv;
  const auto is_there = [&](const char* name) { return fs::exists(directory / name, error); };
  if (job.command.empty() && std::none_of(std::begin(kMakefileNames), std::end(kMakefileNames), is_there))
    return fail(fmt::format("no Makefile in '{}'", arguments.words.front()),
                "add one, or say what to run: --command -- ARGV...");
  job.options = box_option_map(arguments.box);
  job.options.erase("image");  // has a field of its own
  if (arguments.has("publish")) job.output = absolute(arguments.get("publish"));
  job.callback_url = arguments.get("callback");
  job.submitter = fmt::format("uid:{}", ::getuid());
  return job;
}

// Progress and verdict on stderr, feedback on stdout; with --json feedback on stderr, the job on stdout.
Result<int> wait_for(const Arguments& arguments, queue::Queue& queue, queue::JobId id) {
  const Farewell farewell(fmt::format("job {0} goes on (milonga watch {0}, milonga cancel {0})", id));
  StatusLine line(STDERR_FILENO);
  const auto seen = [&](const queue::Status& status) {
    if (status.state != queue::State::done)
      line.show(fmt::format("milonga: job {}: {}", id, sentence(status)));
  };
  const auto done = TRY(follow(queue, id, -1, seen));
  line.clear();
  if (!done) return no_such_job(arguments, std::to_string(id));
  TRY(copy_feedback(*done, arguments.json() ? STDERR_FILENO : STDOUT_FILENO));
  const int exit_status = exit_status_of(*done);
  if (arguments.json()) return print(boost::json::serialize(to_json(*done)) + "\n", exit_status);
  return complain(fmt::format("job {}: {}", id, sentence(*done)), exit_status);
}

}  // namespace

Result<int> submit(const Arguments& arguments) {
  const auto queue = TRY(open_queue(arguments));
  queue::Job job = TRY(job_from(arguments));
  if (const auto fits = queue::check_job(job); !fits)
    return complain("submit: " + fits.error().line(), kUsage);
  const queue::JobId id = TRY(queue->submit(std::move(job), arguments.words.front()));
  if (arguments.has("wait")) return wait_for(arguments, *queue, id);
  auto told = print(arguments.json() ? fmt::format("{{\"id\":{}}}\n", id) : fmt::format("{}\n", id));
  // Whoever hears only of a failure would submit it again.
  return told ? told : fail(fmt::format("job {} is in the queue, but {}", id, told.error().line()));
}

}  // namespace milonga::cli
