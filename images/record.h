// image.json of the store: what is known of an image, as JSON; also what --json shows.
//
// Privilege: none.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "images/store.h"

namespace milonga::images {

std::string print_record(const ImageRecord& record);
// Fails if it is no JSON object; fields that are missing stay as they are by default.
Result<ImageRecord> parse_record(std::string_view text);

}  // namespace milonga::images
