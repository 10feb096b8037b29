// milonga image …: the images of the bare host.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/core/clock.h"
#include "base/size.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "images/import.h"
#include "images/record.h"

namespace milonga::cli {
namespace {

namespace json = boost::json;
using images::Store;

constexpr std::size_t kShownDifferences = 20;

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

std::string when(std::int64_t ms) {
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm broken{};
  ::localtime_r(&seconds, &broken);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &broken);
  return text;
}

std::string short_id(const std::string& id) {
  return id.empty() ? "-" : id.substr(0, 12);
}

// Ctrl-C and friends are only noted while an import goes on, so that it ends by its own clean-up.
class HeldSignals {
 public:
  HeldSignals() {
    ::sigemptyset(&held_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&held_, number);
    ::sigprocmask(SIG_BLOCK, &held_, &before_);
  }
  // What has come takes its effect here.
  ~HeldSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  static bool came() {
    sigset_t pending;
    ::sigpending(&pending);
    return ::sigismember(&pending, SIGINT) == 1 || ::sigismember(&pending, SIGTERM) == 1 ||
           ::sigismember(&pending, SIGHUP) == 1;
  }

 private:
  sigset_t held_, before_;
};

// The state of an import: redrawn on a terminal ten times a second, elsewhere a line every ten seconds.
class Bar {
 public:
  explicit Bar(std::string what)
      : what_(std::move(what)),
        line_(STDERR_FILENO),
        interval_ns_(is_terminal(STDERR_FILENO) ? 100'000'000 : 10'000'000'000) {}

  Result<> show(const images::Progress& progress) {
    if (HeldSignals::came()) return fail("interrupted");
    const std::uint64_t now = now_ns();
    if (now - shown_ns_ < interval_ns_) return {};
    shown_ns_ = now;
    std::string text = fmt::format("importing {}: {}", what_, human_size(progress.read));
    if (progress.size > 0) {
      const std::uint64_t percent = std::min<std::uint64_t>(100, progress.read * 100 / progress.size);
      text = fmt::format("importing {}: [{:<20}] {:3} % of {}, {} entries", what_,
                         std::string(percent / 5, '#'), percent, human_size(progress.size), progress.entries);
    }
    line_.show(text);
    return {};
  }
  void clear() { line_.clear(); }

 private:
  std::string what_;
  StatusLine line_;
  std::uint64_t interval_ns_, shown_ns_ = now_ns();
};

// "--max-size 2G", or as it was.
Result<> take_limit(const Arguments& arguments, const char* option,
                    Result<std::uint64_t> (*parse)(std::string_view), std::uint64_t& limit) {
  if (!arguments.has(option)) return {};
  const Result<std::uint64_t> value = parse(arguments.get(option));
  if (!value)
    return fail(fmt::format("image import: --{}: {}", option, value.error().what), value.error().hint);
  limit = *value;
  return {};
}

Result<images::ImportPlan> plan_of(const Arguments& arguments) {
  images::ImportPlan plan;
  plan.path = arguments.words.front();
  plan.name = arguments.get("name");
  plan.reference = arguments.get("ref");
  if (arguments.has("skip-devices")) plan.devices = images::Devices::leave_out;
  TRY(take_limit(arguments, "max-size", parse_size, plan.limits.bytes));
  TRY(take_limit(arguments, "max-entries", parse_count, plan.limits.entries));
  TRY(take_limit(arguments, "max-ratio", parse_count, plan.limits.ratio));
  if (!plan.name.empty()) TRY(images::check_image_name(plan.name));
  return plan;
}

Result<int> tell_imported(const Arguments& arguments, const images::Imported& imported) {
  const images::ImageRecord& record = imported.record;
  if (arguments.json()) {
    json::object object = to_json({imported.name, record, store_path(arguments) + "/" + imported.name});
    object["was_there"] = imported.published.was_there;
    object["replaced"] = imported.published.replaced;
    return print(json::serialize(object) + "\n");
  }
  return print(fmt::format("{}: {}, {} entries, {}{}{}\n", imported.name, human_size(record.bytes),
                           record.entries, short_id(record.id),
                           imported.published.was_there ? ", the same as was there" : "",
                           imported.published.replaced ? ", in place of another" : ""));
}

}  // namespace

Result<int> image_import(const Arguments& arguments) {
  Result<images::ImportPlan> plan = plan_of(arguments);
  if (!plan) return complain(plan.error().line(), kUsage);
  Result<int> done = kOk;
  {
    const HeldSignals held;
    ::umask(022);
    Bar bar(plan->path);
    plan->on_progress = [&bar](const images::Progress& progress) { return bar.show(progress); };
    Store store = TRY(Store::open(store_path(arguments)));
    const auto imported = images::import_image(store, *plan);
    bar.clear();
    if (imported) {
      done = tell_imported(arguments, *imported);
    } else {
      done = complain("cannot import '" + plan->path + "': " + imported.error().line(), kFailed);
    }
  }
  return done;
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
