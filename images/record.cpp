#include "images/record.h"

#include <boost/json.hpp>

#include "base/utf8.h"

namespace milonga::images {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::uint64_t number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  boost::system::error_code error;
  const auto number = value == nullptr ? 0 : value->to_number<std::uint64_t>(error);
  return error ? 0 : number;
}

}  // namespace

std::string print_record(const ImageRecord& record) {
  json::object object;
  object["id"] = record.id;
  object["format"] = record.format;
  object["source"] = to_utf8(record.source);
  object["reference"] = to_utf8(record.reference);
  object["architecture"] = to_utf8(record.architecture);
  object["config_sha256"] = record.config_sha256;
  object["bytes"] = record.bytes;
  object["entries"] = record.entries;
  object["layers"] = record.layers;
  object["imported_ms"] = record.imported_ms;
  return json::serialize(object) + "\n";
}

Result<ImageRecord> parse_record(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (object == nullptr) return fail("image.json is not a JSON object");
  ImageRecord record;
  record.id = text_of(*object, "id");
  record.format = text_of(*object, "format");
  record.source = text_of(*object, "source");
  record.reference = text_of(*object, "reference");
  record.architecture = text_of(*object, "architecture");
  record.config_sha256 = text_of(*object, "config_sha256");
  record.bytes = number_of(*object, "bytes");
  record.entries = number_of(*object, "entries");
  record.layers = number_of(*object, "layers");
  record.imported_ms = static_cast<std::int64_t>(number_of(*object, "imported_ms"));
  return record;
}

}  // namespace milonga::images
