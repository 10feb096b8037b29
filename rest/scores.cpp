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

}  // namespace

std::optional<json::object> autoresult(std::string_view feedback) {
  const std::size_t last = feedback.find_last_not_of(" \t\r\n\f\v");
  if (last == std::string_view::npos) return {};
  feedback = feedback.substr(0, last + 1);
  const std::size_t newline = feedback.rfind('\n');
  const std::string_view line = newline == std::string_view::npos ? feedback : feedback.substr(newline + 1);
  auto object = object_of(line);
  if (!object) object = object_of(with_quoted_keys(line));
  if (!object) return {};
  const json::value* scores = object->if_contains("scores");
  return scores != nullptr && scores->is_object() ? std::move(object) : std::nullopt;
}

double total_of(const json::object& autoresult) {
  double total = 0;
  for (const auto& [name, score] : autoresult.at("scores").as_object())
    if (score.is_number()) total += score.to_number<double>();
  return total;
}

}  // namespace milonga::rest
