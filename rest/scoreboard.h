// The scoreboard of a course lab: each student's newest graded job, by a name of the
// student's choice. A lab has one if its staff has put a file scoreboard.json beside
// its other files (uploaded like them):
//
//   {"title": "Proxy lab",                       shown above; default: the lab
//    "open": true,                               anyone may look; default: a key is needed
//    "scoreboard": [{"hdr": "Ops/s"}, {"hdr": "Size", "asc": true}],   as in Autolab
//    "nicknames": {"ann@x.edu": "Tango Fox"}}    others are "anonymous"
//
// What is ranked is the array "scoreboard" of the job's last line (scores.h), column
// after column, the larger the better unless "asc"; without it the sum of the scores.
//
// Privilege: none. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace milonga::rest {

inline constexpr const char* kScoreboardFile = "scoreboard.json";

struct ScoreboardSettings {
  struct Column {
    std::string header;
    bool ascending = false;
  };
  std::string title;
  bool open = false;
  std::vector<Column> columns;  // empty: one, the sum of the scores
  std::map<std::string, std::string> nicknames;
};

// Fails in one line that names the file, the field and the fix.
Result<ScoreboardSettings> parse_scoreboard(std::string_view text);

// Whose feedback it is, by Autolab's name of the file, "EMAIL_VERSION_LAB_autograde.txt"; else the whole name.
std::string student_of(const std::string& output_file);

// Of one student, the newest graded job.
struct Standing {
  std::string student;
  boost::json::object autoresult;
  std::int64_t finished_ms = 0;
};

// The page; the best first, of equals who was first. Nothing of it tells who a student without a nickname is.
std::string scoreboard_page(const std::string& lab, const ScoreboardSettings& settings,
                            std::vector<Standing> standings);

}  // namespace milonga::rest
