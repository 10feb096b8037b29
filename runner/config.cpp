#include "runner/config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>

#include "base/core/unique_fd.h"
#include "base/nearest.h"
#include "base/utf8.h"

namespace milonga::runner {
namespace {

constexpr std::size_t kLargest = 1 << 20;

class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  Result<void> read(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string full = prefix + std::string(key.str());
      if (node.is_table() && is_table_of_ours(full)) {
        TRY(read(*node.as_table(), full + "."));
        continue;
      }
      const auto known = settings();
      const auto setting =
          std::find_if(known.begin(), known.end(), [&](const Setting& s) { return full == s.key; });
      if (setting == known.end())
        return unknown(full, key.source().begin.line, node.is_table() || node.is_array_of_tables());
      ConfigValue value{&*setting, {}, where(key.source().begin.line)};
      TRY(take(node, value));
      values.push_back(std::move(value));
    }
    return {};
  }
  [[nodiscard]] std::string where(toml::source_index line) const { return fmt::format("{}:{}", name_, line); }

  std::vector<ConfigValue> values;

 private:
  static bool is_table_of_ours(const std::string& name) {
    const auto known = settings();
    return std::any_of(known.begin(), known.end(),
                       [&](const Setting& s) { return std::string(s.key).starts_with(name + "."); });
  }

  [[nodiscard]] Unexpected unknown(const std::string& key, toml::source_index line, bool table) const {
    if (table && is_table_of_ours(key))
      return fail(fmt::format("{}: {} is one table, not a list of them", where(line), key),
                  "write [" + key + "]");
    const std::string what =
        fmt::format("{}: no {} '{}'", where(line), table ? "table" : "key", to_utf8(key));
    std::vector<std::string_view> names;
    for (const Setting& s : settings()) {
      const std::string_view known(s.key);
      const std::size_t dot = known.rfind('.');
      if (!table)
        names.push_back(known);
      else if (dot != std::string_view::npos && (names.empty() || names.back() != known.substr(0, dot)))
        names.push_back(known.substr(0, dot));
      // Outside of its table, or in another one: the last part tells more than the whole.
      if (!table && known.substr(dot + 1) == std::string_view(key).substr(key.rfind('.') + 1))
        return fail(what, fmt::format("did you mean '{}'?", known));
    }
    return fail(what, nearest_hint(key, names));
  }

  static Unexpected other_type(const ConfigValue& value, const char* wanted) {
    return fail(
        fmt::format("{}: {} must be {}", value.where, value.setting->key, wanted),
        fmt::format("as in: {} = {}",
                    std::string(value.setting->key).substr(std::string(value.setting->key).rfind('.') + 1),
                    value.setting->fallback));
  }

  static Result<void> take(const toml::node& node, ConfigValue& value) {
    switch (value.setting->kind) {
      case SettingKind::text:
        if (!node.is_string()) return other_type(value, "a string");
        value.values = {node.as_string()->get()};
        return {};
      case SettingKind::number:
        if (node.is_integer())
          value.values = {fmt::format("{}", node.as_integer()->get())};
        else if (node.is_floating_point())
          value.values = {fmt::format("{}", node.as_floating_point()->get())};
        else
          return other_type(value, "a number");
        return {};
      case SettingKind::flag:
        if (!node.is_boolean()) return other_type(value, "true or false");
        value.values = {node.as_boolean()->get() ? "true" : "false"};
        return {};
      case SettingKind::list:
        break;
    }
    if (!node.is_array()) return other_type(value, "a list of strings");
    for (const toml::node& item : *node.as_array()) {
      if (!item.is_string()) return other_type(value, "a list of strings");
      value.values.push_back(item.as_string()->get());
    }
    return {};
  }

  std::string name_;
};

// It says which programs are run: who may write it is as mighty as the daemon.
Result<void> check_owner(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail_errno("read", path);
  if (!S_ISREG(info.st_mode)) return fail(fmt::format("'{}' is no file", path));
  if ((info.st_uid != 0 && info.st_uid != ::geteuid()) || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(fmt::format("others may write '{}', which says what programs are run", path),
                fmt::format("chown root '{0}'; chmod go-w '{0}'", path));
  return {};
}

}  // namespace

Result<std::vector<ConfigValue>> parse_config(const std::string& text, const std::string& name) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return fail(
        fmt::format("{}:{}: no TOML: {}", name, error.source().begin.line, to_utf8(error.description())));
  }
  Reader reader(name);
  TRY(reader.read(parsed.table(), ""));
  return std::move(reader.values);
}

Result<std::vector<ConfigValue>> read_config(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return fail_errno("read the config", path);
  TRY(check_owner(fd.get(), path));
  std::string text;
  char piece[4096];
  for (;;) {
    const ssize_t n = ::read(fd.get(), piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read the config", path);
    if (n == 0) return parse_config(text, path);
    text.append(piece, static_cast<std::size_t>(n));
    if (text.size() > kLargest) return fail(fmt::format("'{}' is larger than {} bytes", path, kLargest));
  }
}

}  // namespace milonga::runner
