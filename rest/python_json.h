// JSON as Tango's server writes it (Python's json.dumps, then "</" as "<\/"):
// the same bytes, so that what a script greps for is found, and all of it ASCII,
// so that nothing in a reply can break it.
//
// Privilege: none. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace milonga::rest {

// Texts that are not UTF-8 get U+FFFD where they are not.
std::string python_json(const boost::json::value& value);

}  // namespace milonga::rest
