// The config file: TOML (toml.io), each key one of settings.h. Nothing in it is
// skipped: a key that is not known, or of another type, is an error, so that a
// mistyped limit is never one that is silently missing.
//
// Privilege: none.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "runner/settings.h"

namespace milonga::runner {

struct ConfigValue {
  const Setting* setting;
  std::vector<std::string> values;  // as on the command line; of a flag "true" or "false"
  std::string where;                // "FILE:LINE"
};

// Fails in one line that begins with FILE:LINE: no TOML, an unknown key (with the
// nearest one that is known), another type; or if the file cannot be read, or
// others than root and this user can write it: it names programs that are run.
Result<std::vector<ConfigValue>> read_config(const std::string& path);

// The same for a text; `name` is what errors call it.
Result<std::vector<ConfigValue>> parse_config(const std::string& text, const std::string& name);

}  // namespace milonga::runner
