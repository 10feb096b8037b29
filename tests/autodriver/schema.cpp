#include "tests/autodriver/schema.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <iterator>

namespace milonga::testing {
namespace {

namespace json = boost::json;

bool has_type(const json::value& value, std::string_view type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_bool();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  return false;
}

std::string check_type(const json::value& types, const json::value& value, const std::string& where) {
  if (types.is_string() && has_type(value, types.get_string())) return "";
  if (types.is_array()) {
    for (const json::value& type : types.get_array()) {
      if (has_type(value, type.get_string())) return "";
    }
  }
  return where + ": " + json::serialize(value) + " is not of type " + json::serialize(types);
}

std::string check_object(const json::value& root, const json::object& schema, const json::object& value,
                         const std::string& where) {
  const json::object& properties = schema.at("properties").get_object();
  for (const json::value& name : schema.at("required").get_array()) {
    if (!value.contains(name.get_string())) return where + ": " + json::serialize(name) + " is missing";
  }
  if (schema.at("additionalProperties") != json::value(false))
    return where + ": the schema lets anything through";
  for (const auto& [name, member] : value) {
    const json::value* property = properties.if_contains(name);
    const std::string there = where + "." + std::string(name);
    if (property == nullptr) return there + ": is not in the schema";
    if (std::string error = schema_error(root, *property, member, there); !error.empty()) return error;
  }
  return "";
}

}  // namespace

std::string schema_error(const json::value& root, const json::value& schema, const json::value& value,
                         const std::string& where) {
  const json::object& rules = schema.get_object();
  if (const json::value* reference = rules.if_contains("$ref")) {
    const std::string name(reference->get_string());
    return schema_error(root, root.at("$defs").at(name.substr(name.rfind('/') + 1)), value, where);
  }
  for (const auto& [keyword, rule] : rules) {
    const std::string_view known[] = {"$schema",    "title",    "description",
                                      "$defs",      "type",     "enum",
                                      "properties", "required", "additionalProperties"};
    if (std::find(std::begin(known), std::end(known), std::string_view(keyword)) == std::end(known)) {
      return where + ": the schema's keyword " + std::string(keyword) + " is not checked";
    }
  }
  if (std::string error = check_type(rules.at("type"), value, where); !error.empty()) return error;
  if (const json::value* allowed = rules.if_contains("enum")) {
    const json::array& values = allowed->get_array();
    if (std::find(values.begin(), values.end(), value) == values.end()) {
      return where + ": " + json::serialize(value) + " is not one of " + json::serialize(*allowed);
    }
  }
  return value.is_object() ? check_object(root, rules, value.get_object(), where) : "";
}

json::value report_schema() {
  std::ifstream file(MILONGA_SOURCE_DIR "/docs/report.schema.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return json::parse(text);
}

}  // namespace milonga::testing
