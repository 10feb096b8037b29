#include "queue/record.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <set>

#include "base/sha256.h"
#include "base/utf8.h"

namespace milonga::queue {
namespace {

namespace json = boost::json;

constexpr std::string_view kJobMagic = "milonga-job 1 ";
constexpr std::string_view kResultMagic = "milonga-result 1 ";
constexpr const char* kOutcomes[] = {"graded", "cancelled", "gave_up"};

std::string frame(std::string_view magic, std::string_view payload) {
  return fmt::format("{}{} {}\n{}", magic, payload.size(), sha256_hex(payload), payload);
}

Result<std::string_view> unframe(std::string_view magic, std::string_view file, std::size_t limit) {
  if (file.size() > limit) return fail(fmt::format("the record is larger than {} bytes", limit));
  const std::size_t line = file.find('\n');
  if (file.substr(0, magic.size()) != magic || line == std::string_view::npos)
    return fail(fmt::format("the first line is not '{}<bytes> <sha256>'", magic));
  const std::string_view head = file.substr(magic.size(), line - magic.size());
  const std::string_view payload = file.substr(line + 1);
  if (head != fmt::format("{} {}", payload.size(), sha256_hex(payload)))
    return fail("length or hash do not match the content: the file is torn or was changed");
  return payload;
}

bool is_text(std::string_view text, std::size_t longest) {
  if (text.size() > longest || !is_utf8(text)) return false;
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}

bool is_component(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_relative_path(std::string_view path) {
  if (path.empty() || path.size() > 4095) return false;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    if (!is_component(path.substr(at, slash - at))) return false;
    at = slash + 1;
  }
  return true;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_option_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 && name[0] != '-' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

// A field that is missing, of another type or out of range, by its name. Takes
// what it reads out of the object, so that what is left over is unknown.
class Reader {
 public:
  explicit Reader(json::object& object) : object_(object) {}

  std::string text(const char* name) {
    const json::value* v = take(name);
    if (v == nullptr || !v->is_string()) return bad(name, "a text"), std::string{};
    return std::string(v->as_string());
  }
  std::int64_t number(const char* name, std::int64_t least, std::int64_t most) {
    const json::value* v = take(name);
    if (v == nullptr || !v->is_int64() || v->as_int64() < least || v->as_int64() > most)
      return bad(name, fmt::format("a whole number from {} to {}", least, most)), least;
    return v->as_int64();
  }
  json::array array(const char* name) {
    const json::value* v = take(name);
    if (v == nullptr || !v->is_array()) return bad(name, "a list"), json::array{};
    return v->as_array();
  }
  // Fields that records of older versions do not have.
  [[nodiscard]] bool has(const char* name) const { return object_.contains(name); }
  json::object object(const char* name) {
    const json::value* v = take(name);
    if (v == nullptr || !v->is_object()) return bad(name, "an object"), json::object{};
    return v->as_object();
  }
  void bad(std::string_view name, std::string_view wanted) {
    if (problem_.empty()) problem_ = fmt::format("field '{}' must be {}", name, wanted);
  }
  [[nodiscard]] std::string problem() {
    for (const auto& field : object_)
      if (problem_.empty() && !known_.contains(std::string(field.key())))
        problem_ = fmt::format("field '{}' is unknown", std::string(field.key()));
    return problem_;
  }

 private:
  const json::value* take(const char* name) {
    known_.insert(name);
    return object_.if_contains(name);
  }
  json::object& object_;
  std::set<std::string> known_;
  std::string problem_;
};

Result<json::object> parse_object(std::string_view payload) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 16;
  json::value value = json::parse({payload.data(), payload.size()}, error, {}, options);
  if (error) return fail("the content is not JSON: " + error.message());
  if (!value.is_object()) return fail("the content is not a JSON object");
  return value.as_object();
}

Result<InputFile> read_input(json::value& value) {
  if (!value.is_object()) return fail("field 'files' must be a list of objects");
  Reader r(value.as_object());
  InputFile file;
  file.path = r.text("path");
  file.mode = static_cast<std::uint32_t>(r.number("mode", 0, 0777));
  file.size = static_cast<std::uint64_t>(r.number("size", 0, std::int64_t{1} << 50));
  file.sha256 = r.text("sha256");
  if (const std::string problem = r.problem(); !problem.empty()) return fail("files: " + problem);
  return file;
}

std::string problem_of(const Job& job) {
  if (!is_text(job.name, 255)) return "field 'name' must be up to 255 bytes of UTF-8 without control characters";
  if (!is_text(job.lane, 255) || job.lane.empty())
    return "field 'lane' must be 1 to 255 bytes of UTF-8 without control characters";
  if (!is_text(job.image, 4095) || job.image.empty()) return "field 'image' must be a name or a path";
  if (!is_component(job.directory) || !is_utf8(job.directory)) return "field 'directory' must be one path component, in UTF-8";
  if (!job.output.empty() && (job.output[0] != '/' || !is_text(job.output, 4095)))
    return "field 'output' must be an absolute path or empty";
  if (!is_text(job.callback_url, 2048) || (!job.callback_url.empty() && !job.callback_url.starts_with("http://") &&
                                           !job.callback_url.starts_with("https://")))
    return "field 'callback_url' must be an http or https URL of up to 2048 bytes, or empty";
  for (const auto& [name, value] : job.labels)
    if (name.empty() || !is_text(name, 300) || !is_text(value, 1024))
      return "field 'labels' has a name or value out of range: " + name;
  if (!is_text(job.submitter, 255)) return "field 'submitter' must be a text";
  if (job.command.size() > 250) return "field 'command' must have at most 250 arguments";
  for (const std::string& argument : job.command)
    if (argument.find('\0') != std::string::npos || !is_utf8(argument))
      return "field 'command' must be UTF-8 without NUL: " + to_utf8(argument);
  for (const InputFile& file : job.files) {
    if (!is_utf8(file.path)) return "a file has a name that is not UTF-8, rename it: " + to_utf8(file.path);
    if (!is_relative_path(file.path) || !is_sha256(file.sha256))
      return "field 'files' has a path that is not relative and plain, or a hash that is none: " + file.path;
  }
  for (const auto& [name, value] : job.options)
    if (!is_option_name(name) || !is_text(value, 128)) return "field 'options' has a name or value out of range: " + name;
  return {};
}

Result<Job> job_from(json::object object) {
  Reader r(object);
  Job job;
  job.id = static_cast<JobId>(r.number("id", 1, 0x7fffffff));
  job.name = r.text("name");
  job.lane = r.text("lane");
  const std::string job_class = r.text("class");
  job.job_class = job_class == "bulk" ? JobClass::bulk : JobClass::interactive;
  if (job_class != "bulk" && job_class != "interactive") r.bad("class", "'interactive' or 'bulk'");
  job.image = r.text("image");
  job.directory = r.text("directory");
  job.output = r.text("output");
  job.submitter = r.text("submitter");
  job.created_ms = r.number("created_ms", 0, std::int64_t{1} << 53);
  for (const json::value& argument : r.array("command")) {
    if (!argument.is_string()) r.bad("command", "a list of texts");
    else job.command.emplace_back(argument.as_string());
  }
  json::array files = r.array("files");
  for (json::value& value : files) job.files.push_back(TRY(read_input(value)));
  for (const auto& option : r.object("options")) {
    if (!option.value().is_string()) r.bad("options", "an object of texts");
    else job.options.emplace(option.key(), option.value().as_string());
  }
  if (r.has("callback_url")) job.callback_url = r.text("callback_url");
  if (r.has("labels"))
    for (const auto& label : r.object("labels")) {
      if (!label.value().is_string()) r.bad("labels", "an object of texts");
      else job.labels.emplace(label.key(), label.value().as_string());
    }
  if (const std::string problem = r.problem(); !problem.empty()) return fail(problem);
  TRY(check_job(job));
  return job;
}

}  // namespace

const char* outcome_name(Outcome outcome) { return kOutcomes[static_cast<std::size_t>(outcome)]; }

Result<void> check_job(const Job& job) {
  if (std::string problem = problem_of(job); !problem.empty()) return fail(std::move(problem));
  return {};
}

std::string write_job(const Job& job) {
  json::array files, command;
  for (const InputFile& f : job.files)
    files.push_back({{"path", f.path}, {"mode", f.mode}, {"size", f.size}, {"sha256", f.sha256}});
  for (const std::string& argument : job.command) command.emplace_back(argument);
  json::object options;
  for (const auto& [name, value] : job.options) options[name] = value;
  json::object object{
      {"id", job.id},
      {"name", job.name},
      {"lane", job.lane},
      {"class", job.job_class == JobClass::bulk ? "bulk" : "interactive"},
      {"image", job.image},
      {"directory", job.directory},
      {"command", command},
      {"files", files},
      {"options", options},
      {"output", job.output},
      {"submitter", job.submitter},
      {"created_ms", job.created_ms},
  };
  // Only where there is something, so that older readers take all other records.
  if (!job.callback_url.empty()) object["callback_url"] = job.callback_url;
  if (!job.labels.empty()) {
    json::object labels;
    for (const auto& [name, value] : job.labels) labels[name] = value;
    object["labels"] = labels;
  }
  return frame(kJobMagic, json::serialize(object) + "\n");
}

Result<Job> read_job(std::string_view file) {
  const std::string_view payload = TRY(unframe(kJobMagic, file, kMaxJobRecord));
  return job_from(TRY(parse_object(payload)));
}

std::string write_result(const ResultRecord& r) {
  const auto embedded = [](const std::string& text) {
    json::error_code error;
    json::value value = json::parse(text, error);
    return error ? json::value(nullptr) : value;  // e.g. empty: nothing to tell
  };
  const json::object object{
      {"id", r.id},
      {"attempt", r.attempt},
      {"outcome", outcome_name(r.outcome)},
      {"reason", to_utf8(r.reason)},  // it may come from a platform's program
      {"report", embedded(r.report_json)},
      {"timing", embedded(r.timing_json)},
      {"feedback", r.feedback_path},
      {"feedback_sha256", r.feedback_sha256},
      {"feedback_size", r.feedback_size},
      {"finished_ms", r.finished_ms},
  };
  return frame(kResultMagic, json::serialize(object) + "\n");
}

Result<ResultRecord> read_result(std::string_view file) {
  const std::string_view payload = TRY(unframe(kResultMagic, file, kMaxResultRecord));
  json::object object = TRY(parse_object(payload));
  ResultRecord result;
  for (const auto& [name, text] : {std::pair{"report", &result.report_json}, std::pair{"timing", &result.timing_json}}) {
    const json::value* value = object.if_contains(name);
    if (value != nullptr && !value->is_null()) *text = json::serialize(*value);
    object.erase(name);
  }
  Reader r(object);
  result.id = static_cast<JobId>(r.number("id", 1, 0x7fffffff));
  result.attempt = static_cast<int>(r.number("attempt", 0, 99));
  const std::string outcome = r.text("outcome");
  const auto* known = std::find_if(std::begin(kOutcomes), std::end(kOutcomes), [&](const char* o) { return outcome == o; });
  if (known == std::end(kOutcomes)) r.bad("outcome", "'graded', 'cancelled' or 'gave_up'");
  else result.outcome = static_cast<Outcome>(known - kOutcomes);
  result.reason = r.text("reason");
  result.feedback_path = r.text("feedback");
  result.feedback_sha256 = r.text("feedback_sha256");
  result.feedback_size = static_cast<std::uint64_t>(r.number("feedback_size", 0, std::int64_t{1} << 50));
  result.finished_ms = r.number("finished_ms", 0, std::int64_t{1} << 53);
  if (const std::string problem = r.problem(); !problem.empty()) return fail(problem);
  return result;
}

}  // namespace milonga::queue
