#include "rest/route.h"

#include <algorithm>
#include <vector>

namespace milonga::rest {
namespace {

// One row per call: the components after its name, and who may use it.
struct Row {
  Call call;
  const char* name;
  const char* methods;  // GET and POST, in words
  std::vector<std::string Route::*> parts;
};

const Row kRows[] = {
    {Call::open, "open", "GET", {&Route::key, &Route::courselab}},
    {Call::upload, "upload", "POST", {&Route::key, &Route::courselab}},
    {Call::add_job, "addJob", "POST", {&Route::key, &Route::courselab}},
    {Call::poll, "poll", "GET", {&Route::key, &Route::courselab, &Route::file}},
    {Call::partial_output, "getPartialOutput", "GET", {&Route::key, &Route::number}},
    {Call::info, "info", "GET", {&Route::key}},
    {Call::jobs, "jobs", "GET", {&Route::key, &Route::number}},
    {Call::pool, "pool", "GET", {&Route::key}},
    {Call::pool, "pool", "GET", {&Route::key, &Route::image}},
    {Call::prealloc, "prealloc", "POST GET", {&Route::key, &Route::image, &Route::number}},
    {Call::build, "build", "POST", {&Route::key}},
    {Call::cancel, "cancel", "POST", {&Route::key, &Route::courselab, &Route::file}},
    {Call::scale, "scale", "POST", {&Route::key, &Route::number, &Route::most}},
};

// "/a/b/" and "/a/b" -> {"a", "b"}; "/pool/KEY//" -> {"pool", "KEY", ""}.
std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> parts;
  path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  return parts;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool fits(const Row& row, const std::vector<std::string_view>& parts) {
  if (parts.size() != row.parts.size() + 1 || parts[0] != row.name) return false;
  for (std::size_t i = 0; i < row.parts.size(); ++i) {
    const bool may_be_empty = row.parts[i] == &Route::image && row.call == Call::pool;
    if (parts[i + 1].empty() && !may_be_empty) return false;
    // As Tango's expressions: digits for ids and sizes, anything for DEADJOBS.
    const bool number = row.parts[i] == &Route::number || row.parts[i] == &Route::most;
    if (number && row.call != Call::jobs && !is_number(parts[i + 1])) return false;
  }
  return true;
}

bool asks_for_progress(std::string_view query) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    if (query.substr(0, end) == "inprogress=1") return true;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return false;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
        hex_digit(text[at + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2]));
      at += 2;
    } else {
      out += text[at];
    }
  }
  return out;
}

Route parse_route(std::string_view method, std::string_view target) {
  Route route;
  const std::size_t question = std::min(target.find_first_of("?#"), target.size());
  const std::string_view path = target.substr(0, question);
  if (!path.starts_with('/')) return route;
  if (path == "/") {
    route.call = method == "GET" ? Call::hello : Call::method_not_allowed;
    route.name = "hello";
    return route;
  }
  const std::vector<std::string_view> parts = components(path);
  const Row* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return fits(r, parts); });
  if (row == std::end(kRows)) return route;
  route.name = row->name;
  const std::string_view methods = row->methods;
  const bool allowed =
      (method == "GET" || method == "POST") && methods.find(method) != std::string_view::npos;
  route.call = allowed ? row->call : Call::method_not_allowed;
  for (std::size_t i = 0; i < row->parts.size(); ++i) route.*(row->parts[i]) = percent_decode(parts[i + 1]);
  if (question < target.size() && target[question] == '?')
    route.in_progress = asks_for_progress(target.substr(question + 1));
  return route;
}

}  // namespace milonga::rest
