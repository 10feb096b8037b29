// Tango's config.py, read without running it: assignments of constants in
// capitals. Values may be numbers, texts, None, True, False, lists of these,
// products and sums, names assigned above, os.getenv(NAME[, VALUE]) and .lower().
// Everything else in the file is passed over; a constant that Milonga uses and
// that is written in another way is an error.
//
// Privilege: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace milonga::rest {

struct TangoConfig {
  std::optional<std::int64_t> port, runjob_timeout, max_input, max_output, file_size, processes, memory_mb;
  std::optional<std::string> courselabs;
  std::vector<std::string> keys;
  std::vector<std::string> notes;  // constants that have no effect any more, one line for each reason
};

Result<TangoConfig> read_tango_config(std::string_view text);
Result<TangoConfig> load_tango_config(const std::string& path);

}  // namespace milonga::rest
