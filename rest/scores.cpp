#include "rest/scores.h"

#include <boost/json.hpp>
#include <cctype>
#include <string>

namespace milonga::rest {
namespace {

namespace json = boost::json;

// Autolab's gsub(/([a-zA-Z0-9]+):/, '"\1":')
std::string with_quoted_keys(std::string_view line) {
  std::string out;
  for (std::size_t at = 0; at < line.size();) {
    std::size_t end = at;
    while (end < line.size() && std::isalnum(static_cast<unsigned char>(line[end])) != 0) ++end;
    const std::string word(line.substr(at, end - at));
    const bool key = end > at && end < line.size() && line[end] == ':';
    out += key ? "\"" + word + "\"" : word;
    if (end < line.size()) out += line[end];
    at = end + 1;
  }
  return out;
}

std::optional<json::object> object_of(std::string_view text) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 16;
  json::value value = json::parse({text.data(), text.size()}, error, {}, options);
  if (error || !value.is_object()) return {};
  return std::move(value.as_object());
}

// Takes the last line that is not blank off `text`; empty if there is none.
std::string_view take_last_line(std::string_view& text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n\f\v");
  if (last == std::string_view::npos) return text = {};
  text = text.substr(0, last + 1);
  const std::size_t newline = text.rfind('\n');
  const std::string_view line = newline == std::string_view::npos ? text : text.substr(newline + 1);
  text.remove_suffix(line.size());
  return line;
}

}  // namespace

std::optional<json::object> autoresult(std::string_view feedback) {
  const std::string_view line = take_last_line(feedback);
  if (line.empty()) return {};
  auto object = object_of(line);
  if (!object) object = object_of(with_quoted_keys(line));
  if (!object) return {};
  const json::value* scores = object->if_contains("scores");
  return scores != nullptr && scores->is_object() ? std::move(object) : std::nullopt;
}

std::optional<json::object> presentation(std::string_view feedback) {
  (void)take_last_line(feedback);
  auto object = object_of(take_last_line(feedback));
  return object && object->contains("_presentation") ? std::move(object) : std::nullopt;
}

double total_of(const json::object& autoresult) {
  double total = 0;
  for (const auto& [name, score] : autoresult.at("scores").as_object())
    if (score.is_number()) total += score.to_number<double>();
  return total;
}

}  // namespace milonga::rest
