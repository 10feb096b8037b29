#include "rest/job_request.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

namespace milonga::rest {
namespace {

namespace json = boost::json;

constexpr std::int64_t kLongestTimeout = 7 * 24 * 3600;  // seconds, as in sandbox/model/limits.h
constexpr std::uint64_t kMostMemory = 1024 * 1024;       // MiB
constexpr std::size_t kMostFiles = 1000;
constexpr const char* kNotes[] = {"instanceType", "stopBefore", "limitingKey", "accessKeyId"};

Result<json::object> parse_object(std::string_view body) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 16;
  const json::value value = json::parse({body.data(), body.size()}, error, {}, options);
  if (error) return fail("the body is not JSON: " + error.message());
  if (!value.is_object()) return fail("the body is not a JSON object");
  return value.as_object();
}

// null counts as empty: what is empty and must not be is refused where names are checked.
Result<std::string> text(const json::value& value, const char* name) {
  if (value.is_null()) return std::string();
  if (!value.is_string()) return fail(fmt::format("{} must be a text", name));
  return std::string(value.as_string());
}

// Missing: Python's KeyError, which clients of Tango know: the key in quotes.
Result<std::string> required_text(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return fail(fmt::format("'{}'", name));
  return text(*value, name);
}

Result<std::string> optional_text(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? Result<std::string>(std::string()) : text(*value, name);
}

// A number that is null, absent, zero or negative is not given.
Result<std::optional<std::int64_t>> positive(const json::object& object, const char* name,
                                             std::int64_t most) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return std::optional<std::int64_t>();
  if (!value->is_number()) return fail(fmt::format("{} must be a number", name));
  const double number = value->is_double()  ? std::ceil(value->as_double())
                        : value->is_int64() ? static_cast<double>(value->as_int64())
                                            : static_cast<double>(value->as_uint64());
  if (!(number > 0)) return std::optional<std::int64_t>();
  return std::optional(number < static_cast<double>(most) ? static_cast<std::int64_t>(number) : most);
}

Result<std::optional<std::uint64_t>> memory_of(const json::object& object) {
  const auto given = TRY(positive(object, "memory", kMostMemory));
  return given ? std::optional(static_cast<std::uint64_t>(*given)) : std::optional<std::uint64_t>();
}

Result<std::vector<JobFile>> files_of(const json::object& job) {
  if (!job.contains("files")) return fail("'files'");
  const json::value& list = job.at("files");
  if (!list.is_array()) return fail("files must be a list");
  if (list.as_array().size() > kMostFiles)
    return fail(fmt::format("files has more than {} entries (send an archive)", kMostFiles));
  std::vector<JobFile> files;
  for (const json::value& entry : list.as_array()) {
    if (!entry.is_object()) return fail("files must be a list of objects");
    const json::object& object = entry.as_object();
    JobFile file;
    file.local = TRY(required_text(object, "localFile"));
    file.dest = TRY(required_text(object, "destFile"));
    files.push_back(std::move(file));
  }
  return files;
}

// The 15-411 fork sends the machine's size as "vm": {"cores", "memory"}.
Result<std::optional<std::uint64_t>> job_memory(const json::object& object) {
  const json::value* vm = object.if_contains("vm");
  if (vm != nullptr && vm->is_object() && !object.contains("memory")) return memory_of(vm->as_object());
  return memory_of(object);
}

bool is_true(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->as_bool();
}

}  // namespace

Result<JobRequest> parse_job_request(std::string_view body) {
  const json::object object = TRY(parse_object(body));
  JobRequest job;
  // In Tango's order, so that the first missing key is the one that it names.
  job.name = TRY(required_text(object, "jobName"));
  job.output_file = TRY(required_text(object, "output_file"));
  job.timeout_s = TRY(positive(object, "timeout", kLongestTimeout));
  job.callback_url = TRY(optional_text(object, "callback_url"));
  if (job.callback_url.empty()) job.callback_url = TRY(optional_text(object, "notifyURL"));
  job.files = TRY(files_of(object));
  job.image = TRY(required_text(object, "image"));
  if (!TRY(optional_text(object, "accessKey")).empty()) TRY(required_text(object, "accessKeyId"));
  const auto max_kb = TRY(positive(object, "max_kb", std::int64_t{1} << 32));
  job.max_kb = static_cast<std::uint64_t>(max_kb.value_or(0));
  job.memory_mb = TRY(job_memory(object));
  job.disable_network = is_true(object, "disable_network");
  job.dry_run = is_true(object, "dry_run");
  for (const char* name : kNotes)
    if (std::string note = TRY(optional_text(object, name)); !note.empty())
      job.notes.emplace_back(name, std::move(note));
  return job;
}

Result<PoolRequest> parse_pool_request(std::string_view body) {
  PoolRequest pool;
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return pool;
  const json::object object = TRY(parse_object(body));
  const auto cores = TRY(positive(object, "cores", 4096));
  const auto memory = TRY(memory_of(object));
  if (!cores || !memory) return pool;  // as in Tango: both or neither
  pool.cores = static_cast<std::uint64_t>(*cores);
  pool.memory_mb = memory;
  return pool;
}

}  // namespace milonga::rest
