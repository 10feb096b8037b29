#include "rest/scoreboard.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "rest/html.h"
#include "rest/scores.h"
#include "rest/utc.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;
using Column = ScoreboardSettings::Column;

Unexpected wrong(std::string_view field, std::string_view want) {
  return fail(fmt::format("{}: field '{}' is wrong", kScoreboardFile, field), std::string(want));
}

// Autolab writes "asc": "true" as well.
Result<std::vector<Column>> columns_of(const json::value& list) {
  std::vector<Column> columns;
  if (!list.is_array()) return wrong("scoreboard", "an array of {\"hdr\": NAME, \"asc\": true|false}");
  for (const json::value& one : list.as_array()) {
    const json::value* header = one.is_object() ? one.as_object().if_contains("hdr") : nullptr;
    if (header == nullptr || !header->is_string()) return wrong("scoreboard", "each column needs a text \"hdr\"");
    const json::value* asc = one.as_object().if_contains("asc");
    const bool ascending = asc != nullptr && (*asc == json::value(true) || *asc == json::value("true"));
    columns.push_back({std::string(header->as_string()), ascending});
  }
  return columns;
}

// Of a row: what the job said, or the sum of its scores.
std::vector<json::value> cells_of(const Standing& standing, const std::vector<Column>& columns) {
  if (columns.empty()) return {json::value(total_of(standing.autoresult))};
  const json::value* said = standing.autoresult.if_contains("scoreboard");
  std::vector<json::value> cells;
  if (said != nullptr && said->is_array()) cells.assign(said->as_array().begin(), said->as_array().end());
  cells.resize(columns.size());
  return cells;
}

std::string shown(const json::value& cell) {
  if (cell.is_null()) return "";
  if (cell.is_string()) return std::string(cell.as_string());
  if (cell.is_number()) return fmt::format("{:g}", cell.to_number<double>());
  return json::serialize(cell);
}

// Negative: a is before b. A number is before a text, and nothing is last.
int compare(const json::value& a, const json::value& b, bool ascending) {
  const auto kind = [](const json::value& v) { return v.is_number() ? 0 : v.is_null() ? 2 : 1; };
  if (kind(a) != kind(b)) return kind(a) - kind(b);
  if (kind(a) == 2) return 0;
  int order = 0;
  if (kind(a) == 0) {
    const double x = a.to_number<double>(), y = b.to_number<double>();
    order = x < y ? -1 : x > y ? 1 : 0;
  } else {
    order = shown(a).compare(shown(b));
  }
  return ascending ? order : -order;
}

}  // namespace

Result<ScoreboardSettings> parse_scoreboard(std::string_view text) {
  json::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error);
  if (error || !value.is_object()) return fail(fmt::format("{} is no JSON object", kScoreboardFile), "see docs/rest.md");
  ScoreboardSettings settings;
  for (const auto& [name, field] : value.as_object()) {
    if (name == "title" && field.is_string()) {
      settings.title = field.as_string();
    } else if (name == "open" && field.is_bool()) {
      settings.open = field.as_bool();
    } else if (name == "scoreboard") {
      settings.columns = TRY(columns_of(field));
    } else if (name == "nicknames" && field.is_object()) {
      for (const auto& [student, nickname] : field.as_object()) {
        if (!nickname.is_string()) return wrong("nicknames", "a text for each student");
        settings.nicknames[student] = nickname.as_string();
      }
    } else {
      return wrong(std::string_view(name.data(), name.size()),
                   "there are title (text), open (true or false), scoreboard (columns) and nicknames (texts)");
    }
  }
  return settings;
}

std::string student_of(const std::string& output_file) {
  std::string_view rest = output_file;
  constexpr std::string_view kEnd = "_autograde.txt";
  if (!rest.ends_with(kEnd)) return output_file;
  rest.remove_suffix(kEnd.size());
  // An email may have '_' and so may a lab: the version is the first number between two of them after the '@'.
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t at = rest.find('_', std::min(rest.find('@'), rest.size())); at != std::string_view::npos;
       at = rest.find('_', at + 1)) {
    const std::size_t end = rest.find('_', at + 1);
    const std::string_view word = rest.substr(at + 1, end == std::string_view::npos ? end : end - at - 1);
    if (!word.empty() && std::all_of(word.begin(), word.end(), is_digit)) return std::string(rest.substr(0, at));
  }
  return output_file;
}

std::string scoreboard_page(const std::string& lab, const ScoreboardSettings& settings,
                            std::vector<Standing> standings) {
  const std::vector<Column> headers =
      settings.columns.empty() ? std::vector<Column>{{"Score", false}} : settings.columns;
  std::sort(standings.begin(), standings.end(), [&](const Standing& a, const Standing& b) {
    const auto x = cells_of(a, settings.columns), y = cells_of(b, settings.columns);
    for (std::size_t i = 0; i < headers.size(); ++i)
      if (const int order = compare(x[i], y[i], headers[i].ascending); order != 0) return order < 0;
    return std::tie(a.finished_ms, a.student) < std::tie(b.finished_ms, b.student);
  });
  std::string body = fmt::format("<h1>{}</h1>\n", escape(settings.title.empty() ? lab : settings.title));
  if (standings.empty()) body += "<p class=\"dim\">Nothing is graded yet.</p>\n";
  body += "<div class=\"scroll\"><table id=\"scoreboard\"><tr><th class=\"n\">Rank<th>Name";
  for (const Column& column : headers) body += fmt::format("<th class=\"n\">{}", escape(column.header));
  body += "<th>Graded (UTC)</tr>\n";
  std::size_t rank = 0;
  for (const Standing& standing : standings) {
    const auto nickname = settings.nicknames.find(standing.student);
    body += fmt::format("<tr><td class=\"n\">{}<td>{}", ++rank,
                        nickname == settings.nicknames.end() ? "<span class=\"dim\">anonymous</span>" : escape(nickname->second));
    const auto cells = cells_of(standing, settings.columns);
    for (std::size_t i = 0; i < headers.size(); ++i) body += fmt::format("<td class=\"n\">{}", escape(shown(cells[i])));
    body += fmt::format("<td class=\"word\">{}</tr>\n", minute_utc(standing.finished_ms));
  }
  return html_page("Scoreboard", "", body + "</table></div>\n");
}

}  // namespace milonga::rest
