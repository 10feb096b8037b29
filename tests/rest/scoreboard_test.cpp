// What a lab says of its scoreboard, whose a feedback file is, and who is before whom.
#include "rest/scoreboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "rest/scores.h"

namespace milonga::rest {
namespace {

using testing::HasSubstr;
using testing::Not;

// The names in the order of the page.
std::vector<std::string> ranking(const ScoreboardSettings& settings, std::vector<Standing> standings) {
  const std::string page = scoreboard_page("lab", settings, std::move(standings));
  std::vector<std::string> names;
  for (std::size_t at = 0; (at = page.find("<tr><td class=\"n\">", at)) != std::string::npos; ++at) {
    const std::size_t begin = page.find("<td>", at) + 4;
    names.push_back(page.substr(begin, page.find("<td", begin) - begin));
  }
  return names;
}

Standing standing(const std::string& student, const char* result, std::int64_t finished_ms = 0) {
  return {student, *autoresult(result), finished_ms};
}

TEST(Scoreboard, SettingsAreReadAndWrongOnesNamed) {
  const auto all = parse_scoreboard(
      R"({"title": "T", "open": true, "scoreboard": [{"hdr": "A"}, {"hdr": "B", "asc": "true"}], "nicknames": {"s": "N"}})");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->title, "T");
  EXPECT_TRUE(all->open);
  ASSERT_EQ(all->columns.size(), 2u);
  EXPECT_FALSE(all->columns[0].ascending);
  EXPECT_TRUE(all->columns[1].ascending);
  EXPECT_EQ(all->nicknames.at("s"), "N");
  EXPECT_FALSE(parse_scoreboard("{}")->open) << "closed unless it says so";
  for (const auto& [text, field] : std::map<std::string, std::string>{{R"({"open": 1})", "open"},
                                                                      {R"({"nicknames": {"a": 1}})", "nicknames"},
                                                                      {R"({"scoreboard": {}})", "scoreboard"},
                                                                      {R"({"scoreboard": [{"asc": true}]})", "scoreboard"},
                                                                      {R"({"colour": "red"})", "colour"},
                                                                      {"[]", "no JSON object"}}) {
    const auto wrong = parse_scoreboard(text);
    ASSERT_FALSE(wrong) << text;
    EXPECT_THAT(wrong.error().line(), HasSubstr(field)) << text;
    EXPECT_THAT(wrong.error().line(), HasSubstr(kScoreboardFile)) << text;
  }
}

TEST(Scoreboard, TheStudentIsWhoAutolabNamedTheFileAfter) {
  EXPECT_EQ(student_of("ann@x.edu_3_hello_autograde.txt"), "ann@x.edu");
  EXPECT_EQ(student_of("a_2_b@x.edu_12_lab_4_autograde.txt"), "a_2_b@x.edu");
  EXPECT_EQ(student_of("result.out"), "result.out");
  EXPECT_EQ(student_of("_autograde.txt"), "_autograde.txt");
}

TEST(Scoreboard, ColumnAfterColumnThenWhoWasFirst) {
  ScoreboardSettings settings;
  settings.columns = {{"ops", false}, {"size", true}};
  settings.nicknames = {{"a", "A"}, {"b", "B"}, {"c", "C"}, {"d", "D"}, {"e", "E"}, {"f", "F"}};
  EXPECT_THAT(ranking(settings, {standing("a", R"({"scores": {}, "scoreboard": [10, 5]})", 1),
                                 standing("b", R"({"scores": {}, "scoreboard": [10, 4]})", 2),
                                 standing("c", R"({"scores": {}, "scoreboard": [20, 9]})", 3),
                                 standing("d", R"({"scores": {"x": 99}})", 4),
                                 standing("e", R"({"scores": {}, "scoreboard": [10, 5]})", 0),
                                 standing("f", R"({"scores": {}, "scoreboard": ["fast", 5]})", 0)}),
              testing::ElementsAre("C", "B", "E", "A", "F", "D"));
  settings.columns.clear();
  EXPECT_THAT(ranking(settings, {standing("a", R"({"scores": {"x": 1, "y": 2}})"), standing("b", R"({"scores": {"x": 9}})")}),
              testing::ElementsAre("B", "A"));
}

TEST(Scoreboard, TellsNoNamesAndEscapesWhatJobsSay) {
  ScoreboardSettings settings;
  settings.columns = {{"<i>", false}};
  settings.nicknames = {{"ann@x.edu", "<b>Fox</b>"}};
  const std::string page =
      scoreboard_page("lab", settings, {standing("ann@x.edu", R"({"scores": {}, "scoreboard": ["<script>"]})"),
                                        standing("bob@x.edu", R"({"scores": {}, "scoreboard": [[1]]})")});
  EXPECT_THAT(page, Not(HasSubstr("@x.edu")));
  EXPECT_THAT(page, HasSubstr("anonymous"));
  for (const char* markup : {"<script>", "<b>Fox", "<i>"}) EXPECT_THAT(page, Not(HasSubstr(markup)));
  EXPECT_THAT(page, HasSubstr("&lt;b&gt;Fox&lt;/b&gt;"));
}

}  // namespace
}  // namespace milonga::rest
