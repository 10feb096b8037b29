// What the queue reads from its directory: records, names of files, lanes, ids.
// What is accepted is written again as it was read.
//
// Input: a letter (see below), then the text.
#include "queue/record.h"

#include "base/sha256.h"
#include "queue/name.h"
#include "tests/fuzz/fuzz.h"

namespace milonga::queue {
namespace {

// With the right hash: else no fuzzer would come past the first line.
std::string framed(std::string_view magic, std::string_view payload) {
  return std::string(magic) + " 1 " + std::to_string(payload.size()) + " " + sha256_hex(payload) + "\n" +
         std::string(payload);
}

bool is_component(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

void check_job(std::string_view file) {
  const Result<Job> job = read_job(file);
  if (!job) return;
  fuzz::hold(job->id > 0 && is_component(job->directory), "a job's id and directory");
  for (const InputFile& input : job->files)
    for (std::string_view rest = input.path; !rest.empty();) {
      const std::size_t slash = std::min(rest.find('/'), rest.size());
      fuzz::hold(is_component(rest.substr(0, slash)), "a file's path is plain and relative");
      rest.remove_prefix(std::min(slash + 1, rest.size()));
    }
  const std::string written = write_job(*job);
  if (written.size() > kMaxJobRecord) return;  // escapes may make it longer
  const Result<Job> again = read_job(written);
  fuzz::hold(again.has_value() && write_job(*again) == written, "a job is written as it was read");
}

void check_result(std::string_view file) {
  const Result<ResultRecord> result = read_result(file);
  if (!result) return;
  const std::string written = write_result(*result);
  if (written.size() > kMaxResultRecord) return;
  const Result<ResultRecord> again = read_result(written);
  fuzz::hold(again.has_value() && write_result(*again) == written, "a result is written as it was read");
}

void check_name(std::string_view text) {
  if (const auto name = JobName::parse(text)) fuzz::hold(name->text() == text, "one spelling for one state");
  const std::string lane = encode_lane(text);
  fuzz::hold(is_component(lane) && lane[0] != '.' && lane.size() <= 180, "a lane is a plain name");
  const JobId id = parse_id(text);
  fuzz::hold(id >= 0, "an id is positive, or 0 for none");
}

}  // namespace
}  // namespace milonga::queue

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace milonga::queue;
  if (size == 0) return 0;
  const std::string_view text = milonga::fuzz::text_of(data + 1, size - 1);
  switch (data[0]) {
    case 'j':
      check_job(framed("milonga-job", text));
      break;
    case 'r':
      check_result(framed("milonga-result", text));
      break;
    case 'f':  // a file as it lies there
      check_job(text);
      check_result(text);
      break;
    default:
      check_name(text);
  }
  return 0;
}
