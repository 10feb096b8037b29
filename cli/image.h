// What the commands of `milonga image` share.
//
// Privilege: none (the caller's).
#pragma once

#include <boost/json.hpp>
#include <string>

#include "cli/command.h"
#include "images/store.h"

namespace milonga::cli {

std::string store_path(const Arguments& arguments);  // --store, or the host's own
boost::json::object to_json(const images::NamedImage& image);
std::string short_id(const std::string& id);  // "-": it has none

}  // namespace milonga::cli
