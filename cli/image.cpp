// milonga image …: the images of the bare host.
#include <fmt/format.h>
#include <time.h>

#include <boost/json.hpp>

#include "base/size.h"
#include "base/terminal.h"
#include "cli/image.h"
#include "images/record.h"

namespace milonga::cli {
namespace {

namespace json = boost::json;
using images::Store;

constexpr std::size_t kShownDifferences = 20;

std::string when(std::int64_t ms) {
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm broken{};
  ::localtime_r(&seconds, &broken);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &broken);
  return text;
}

}  // namespace

std::string store_path(const Arguments& arguments) {
  return arguments.has("store") ? arguments.get("store") : images::kDefaultStore;
}

json::object to_json(const images::NamedImage& image) {
  boost::system::error_code error;
  json::object object = json::parse(images::print_record(image.record), error).as_object();
  object["name"] = image.name;
  object["path"] = image.path;
  return object;
}

std::string short_id(const std::string& id) {
  return id.empty() ? "-" : id.substr(0, 12);
}

Result<int> image_list(const Arguments& arguments) {
  const Store store = TRY(Store::look(store_path(arguments)));
  const auto all = TRY(store.list());
  if (arguments.json()) {
    json::array array;
    for (const auto& image : all) array.push_back(to_json(image));
    return print(json::serialize(array) + "\n");
  }
  std::string text = fmt::format("{:<24} {:<12} {:>10} {:>8}  {:<16} {}\n", "NAME", "ID", "SIZE", "ENTRIES",
                                 "IMPORTED", "FROM");
  for (const auto& [name, record, path] : all)
    text += fmt::format("{:<24} {:<12} {:>10} {:>8}  {:<16} {}\n", name, short_id(record.id),
                        record.id.empty() ? "-" : human_size(record.bytes),
                        record.id.empty() ? "-" : std::to_string(record.entries), when(record.imported_ms),
                        printable(record.format));
  return print(text);
}

Result<int> image_inspect(const Arguments& arguments) {
  const Store store = TRY(Store::look(store_path(arguments)));
  const auto image = TRY(store.find(arguments.words.front()));
  if (arguments.json()) return print(json::serialize(to_json(image)) + "\n");
  const images::ImageRecord& record = image.record;
  std::string text;
  const auto line = [&text](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<14}{}\n", name, printable(value));
  };
  line("name", image.name);
  line("path", image.path);
  line("id", record.id.empty() ? "" : "sha256:" + record.id);
  line("format", record.format);
  line("source", record.source);
  line("reference", record.reference);
  line("config", record.config_sha256.empty() ? "" : "sha256:" + record.config_sha256);
  line("architecture", record.architecture);
  line("layers", record.layers == 0 ? "" : std::to_string(record.layers));
  line("entries", record.id.empty() ? "" : std::to_string(record.entries));
  line("size", record.id.empty() ? "" : human_size(record.bytes));
  line("imported", when(record.imported_ms));
  return print(text);
}

Result<int> image_rm(const Arguments& arguments) {
  Store store = TRY(Store::open(store_path(arguments)));
  const std::string& name = arguments.words.front();
  const images::Removal removal = TRY(store.remove(name));
  static constexpr const char* kNames[] = {"removed", "still_named", "in_use"};
  static constexpr const char* kTexts[] = {
      "removed", "the name is removed; the image has another",
      "the name is removed; a box uses the image: milonga image gc removes it later"};
  const auto i = static_cast<std::size_t>(removal);
  if (arguments.json())
    return print(json::serialize(json::object{{"name", name}, {"answer", kNames[i]}}) + "\n");
  return print(fmt::format("{}: {}\n", name, kTexts[i]));
}

Result<int> image_gc(const Arguments& arguments) {
  Store store = TRY(Store::open(store_path(arguments)));
  const Store::Collected collected = TRY(store.collect());
  if (arguments.json()) {
    return print(json::serialize(json::object{{"removed", json::value_from(collected.removed)},
                                              {"in_use", json::value_from(collected.in_use)}}) +
                 "\n");
  }
  std::string text;
  for (const std::string& id : collected.removed) text += short_id(id) + ": removed\n";
  for (const std::string& id : collected.in_use) text += short_id(id) + ": in use by a box\n";
  return print(text);
}

Result<int> image_verify(const Arguments& arguments) {
  const Store store = TRY(Store::look(store_path(arguments)));
  std::vector<std::string> names = arguments.words;
  if (names.empty())
    for (const auto& image : TRY(store.list()))
      if (!image.record.id.empty()) names.push_back(image.name);
  json::array array;
  bool sound = true;
  for (const std::string& name : names) {
    const auto differences = TRY(store.verify(name, kShownDifferences));
    sound = sound && differences.empty();
    array.push_back(json::object{
        {"name", name}, {"sound", differences.empty()}, {"differences", json::value_from(differences)}});
    if (arguments.json()) continue;
    std::string text = name + ": " + (differences.empty() ? "as it was imported\n" : "damaged\n");
    for (const std::string& difference : differences) text += "  " + difference + "\n";
    (void)TRY(print(text));
  }
  if (arguments.json()) (void)TRY(print(json::serialize(array) + "\n"));
  return sound ? kOk : kJobFailed;
}

}  // namespace milonga::cli
