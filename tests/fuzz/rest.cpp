// What milonga-rest reads from the network, and Tango's config.py.
//
// Input: a letter (see below), then the text.
#include <boost/json/parse.hpp>

#include "base/utf8.h"
#include "rest/html.h"
#include "rest/job_request.h"
#include "rest/keyring.h"
#include "rest/name.h"
#include "rest/python_json.h"
#include "rest/route.h"
#include "rest/scoreboard.h"
#include "rest/scores.h"
#include "rest/tango_config.h"
#include "tests/fuzz/fuzz.h"

namespace milonga::rest {
namespace {

void check_route(std::string_view text) {
  const std::string_view method = fuzz::take_line(text);
  const Route route = parse_route(method, text);
  fuzz::hold(route.name.empty() == (route.call == Call::not_found), "each call has its name");
  fuzz::hold(percent_decode(text).size() <= text.size(), "decoding makes nothing longer");
}

void check_body(std::string_view body) {
  const auto job = parse_job_request(body);
  if (job) {
    fuzz::hold(!job->timeout_s || *job->timeout_s > 0, "a timeout is above 0");
    fuzz::hold(job->files.size() <= 1000, "a bounded number of files");
  } else {
    fuzz::hold(!job.error().line().empty(), "a mistake is named");
  }
  const auto pool = parse_pool_request(body);
  if (pool) fuzz::hold(pool->cores.has_value() == pool->memory_mb.has_value(), "both or neither");
}

// What we send: whatever was in it, ASCII that a JSON parser takes.
void check_reply(std::string_view text) {
  const std::string reply = python_json(boost::json::object{{"statusMsg", text}, {std::string(text), 0.5}});
  for (const char c : reply) fuzz::hold(c >= 0x20 && c < 0x7f, "a reply is ASCII without control characters");
  boost::system::error_code error;
  const boost::json::value read = boost::json::parse(reply, error);
  fuzz::hold(!error, "a reply is JSON");
  fuzz::hold(read.at("statusMsg").as_string() == std::string_view(lossy_utf8(text)) || text == "statusMsg",
             "a reply says what it was given");
}

void check_names(std::string_view text) {
  fuzz::hold(is_utf8(header_text(text)), "a header's text is UTF-8");
  fuzz::hold(is_utf8(lossy_utf8(text)), "a text with replacements is UTF-8");
  if (name_problem(text, kLongestFile).empty())
    fuzz::hold(text.size() <= kLongestFile && text != ".." && text.find('/') == std::string_view::npos,
               "a name is one component");
  if (is_image_name(text))
    fuzz::hold(("/" + std::string(text) + "/").find("/../") == std::string::npos, "an image");
}

void check_config(std::string_view text) {
  const auto config = read_tango_config(text);
  if (!config) fuzz::hold(!config.error().line().empty(), "a mistake is named");
}

void check_keys(std::string_view text) {
  Keyring keys;
  while (!text.empty()) {
    const std::string_view line = fuzz::take_line(text);
    if (!keys.add(line)) continue;
    std::string_view key = line.substr(line.find(' ') + 1);
    key = key.substr(0, key.find(' '));
    if (key.starts_with("sha256:")) continue;  // whose key nobody knows
    const auto access = keys.find(key);
    fuzz::hold(access.has_value(), "a key that was added opens");
    fuzz::hold(access->everything() || !access->may_lane("-"), "a key for some labs is not for all");
  }
}

// A job's last line, and what the status page shows of it.
void check_result(std::string_view text) {
  (void)presentation(text);
  if (const auto result = autoresult(text)) (void)total_of(*result);
  const std::string shown = escape(text);
  fuzz::hold(shown.find_first_of("<>\"'") == std::string::npos && is_utf8(shown), "what is escaped is text");
}

// What staff upload, and who a file is named after.
void check_scoreboard(std::string_view text) {
  const auto settings = parse_scoreboard(text);
  if (!settings) fuzz::hold(!settings.error().line().empty(), "a mistake is named");
  fuzz::hold(student_of(std::string(text)).size() <= text.size(), "a student is part of the name");
}

}  // namespace
}  // namespace milonga::rest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace milonga::rest;
  if (size == 0) return 0;
  const std::string_view text = milonga::fuzz::text_of(data + 1, size - 1);
  switch (data[0]) {
    case 'u':
      check_route(text);
      break;
    case 'b':
      check_body(text);
      break;
    case 'o':
      check_reply(text);
      break;
    case 'c':
      check_config(text);
      break;
    case 'r':
      check_result(text);
      break;
    case 's':
      check_scoreboard(text);
      break;
    case 'k':
      check_keys(text);
      break;
    default:
      check_names(text);
  }
  return 0;
}
