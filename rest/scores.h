// The result that a job's own program prints as its last line, by Autolab's rules:
// {"scores": {"problem": 10}, "scoreboard": [10, "fast"]}, quotes about keys as you like.
//
// Privilege: none. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string_view>

namespace milonga::rest {

// Of the last line that is not blank; nothing if it is no such object. "scores" and
// "scoreboard" are in it as they were written.
std::optional<boost::json::object> autoresult(std::string_view feedback);

// How the result is to be shown, of the line before that one: {"_presentation": "semantic", "stages": [...], ...},
// as it was written; nothing if it is no such object.
std::optional<boost::json::object> presentation(std::string_view feedback);

// Sum of the scores that are numbers.
double total_of(const boost::json::object& autoresult);

}  // namespace milonga::rest
