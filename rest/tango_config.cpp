#include "rest/tango_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

namespace milonga::rest {
namespace {

struct Value;
using List = std::vector<Value>;
struct Value : std::variant<std::monostate, bool, std::int64_t, double, std::string, List> {
  using variant::variant;
};
using Constants = std::map<std::string, Value, std::less<>>;

// Constants that Milonga does not need; what it does instead.
struct Obsolete {
  const char* names;  // separated by blanks; a last '*' stands for any rest
  const char* why;
};
constexpr Obsolete kObsolete[] = {
    {"PREFIX DEFAULT_PREFIX", "boxes have names of their own, and no one else's are touched"},
    {"LOGFILE LOGLEVEL", "the log goes to standard error, for journald"},
    {"OUTPUT_FOLDER", "feedback is always in output/"},
    {"VMMS_NAME", "the driver is milongad's: milongad --driver"},
    {"DOCKER_VOLUME_PATH DEFAULT_DOCKER_VOLUME_PATH", "files are copied in, there are no shared volumes"},
    {"DISPATCH_PERIOD TIMER_POLL_INTERVAL", "nothing is polled"},
    {"NUM_THREADS BOOT2DOCKER_* DOCKER_IMAGE_BUILD_TIMEOUT SSH_*", "Tango does not use it either"},
    {"REUSE_VMS POOL_SIZE* POOL_ALLOC_INCREMENT MAX_POOL_SIZE CREATEVM_SECS DESTROY_SECS",
     "a box is made in milliseconds and used once: milongad --slots"},
    {"INITIALIZEVM_TIMEOUT WAITVM_TIMEOUT COPYIN_TIMEOUT COPYOUT_TIMEOUT DOCKER_RM_TIMEOUT CANCEL_*",
     "milongad has a deadline for each step"},
    {"DOCKER_HOST_USER EC2_* DEFAULT_AMI DEFAULT_INST_TYPE DEFAULT_SECURITY_GROUP SECURITY_KEY_* "
     "DYNAMIC_SECURITY_KEY_PATH TANGO_RESERVATION_ID INSTANCE_RUNNING OVERRIDE_INST_TYPE "
     "KEEP_VM_AFTER_FAILURE",
     "belongs to a driver that is not there"},
    {"DOCKER_CORES_LIMIT", "a box has no limit of cores"},
    {"JOB_RETRIES", "milongad runs a job at most three times, and never again for what it did itself"},
    {"LOG_TIMING", "times are always kept, in the job's result"},
    {"MAX_JOBID", "ids are never used again; how many jobs may wait: --max-waiting"},
    {"USE_REDIS REDIS_* DEFAULT_REDIS_*", "the queue is the spool: --spool"},
    {"MAX_CONCURRENT_JOBS AUTODRIVER_*", "of a fork of Tango"},
};

const char* why_obsolete(std::string_view name) {
  for (const Obsolete& row : kObsolete) {
    std::istringstream names(row.names);
    for (std::string one; names >> one;) {
      const bool any_rest = one.back() == '*';
      if (any_rest ? name.starts_with(std::string_view(one).substr(0, one.size() - 1)) : name == one)
        return row.why;
    }
  }
  return nullptr;
}

// One expression of the grammar in the header. Fails as a whole: nothing is guessed.
class Expression {
 public:
  Expression(std::string_view text, const Constants& known) : text_(text), known_(known) {}

  std::optional<Value> whole() {
    auto value = sum();
    skip();
    return at_ == text_.size() ? value : std::nullopt;
  }

 private:
  void skip() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(std::string_view what) {
    skip();
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  std::optional<Value> sum() {
    auto left = product();
    while (left && take("+")) left = combine(*left, product(), '+');
    return left;
  }
  // An expression within one: not so deep that the stack would not do.
  std::optional<Value> nested() {
    constexpr int kDeepest = 16;
    if (depth_ == kDeepest) return {};
    ++depth_;
    auto value = sum();
    --depth_;
    return value;
  }
  std::optional<Value> product() {
    auto left = postfix();
    while (left && take("*")) left = combine(*left, postfix(), '*');
    return left;
  }
  static std::optional<Value> combine(const Value& left, const std::optional<Value>& right, char what) {
    if (!right) return {};
    const auto* a = std::get_if<std::int64_t>(&left);
    const auto* b = std::get_if<std::int64_t>(&*right);
    std::int64_t result = 0;
    if (a == nullptr || b == nullptr) return {};
    if (what == '*' ? __builtin_mul_overflow(*a, *b, &result) : __builtin_add_overflow(*a, *b, &result))
      return {};
    return Value(result);
  }
  std::optional<Value> postfix() {
    auto value = primary();
    while (value && take(".lower()")) {
      auto* text = std::get_if<std::string>(&*value);
      if (text == nullptr) return {};
      for (char& c : *text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return value;
  }
  std::optional<Value> primary() {
    skip();
    if (at_ == text_.size()) return {};
    const char c = text_[at_];
    if (c == '"' || c == '\'') return string();
    if (c >= '0' && c <= '9') return number();
    if (take("[")) return list();
    if (take("os.getenv(")) return getenv_call();
    return name();
  }
  std::optional<Value> string() {
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return {};
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    if (inside.find_first_of("\\\n") != std::string_view::npos) return {};
    at_ = end + 1;
    return Value(std::string(inside));
  }
  std::optional<Value> number() {
    const std::size_t end = std::min(text_.find_first_not_of("0123456789._", at_), text_.size());
    std::string digits(text_.substr(at_, end - at_));
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    at_ = end;
    const char* last = digits.data() + digits.size();
    if (digits.find('.') != std::string::npos) {
      double number = 0;
      return std::from_chars(digits.data(), last, number).ptr == last ? std::optional(Value(number))
                                                                      : std::nullopt;
    }
    std::int64_t number = 0;
    const auto read = std::from_chars(digits.data(), last, number);
    return read.ptr == last && read.ec == std::errc() ? std::optional(Value(number)) : std::nullopt;
  }
  std::optional<Value> list() {
    List items;
    while (!take("]")) {
      auto item = nested();
      // No lists of lists: a few lines of A = [A, A] would fill the memory.
      if (!item || std::holds_alternative<List>(*item)) return {};
      items.push_back(std::move(*item));
      if (!take(",") && !take("]")) return {};
      if (text_[at_ - 1] == ']') break;
    }
    return Value(std::move(items));
  }
  std::optional<Value> getenv_call() {
    const auto variable = nested();
    const auto* key = variable ? std::get_if<std::string>(&*variable) : nullptr;
    std::optional<Value> fallback = Value();
    if (take(",")) fallback = nested();
    if (key == nullptr || !take(")")) return {};
    if (const char* set = std::getenv(key->c_str())) return Value(std::string(set));
    return fallback;
  }
  std::optional<Value> name() {
    const std::size_t end = std::min(
        text_.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", at_),
        text_.size());
    const std::string_view word = text_.substr(at_, end - at_);
    at_ = end;
    if (word == "None") return Value();
    if (word == "True" || word == "False") return Value(word == "True");
    const auto found = known_.find(word);
    return found == known_.end() ? std::nullopt : std::optional(found->second);
  }

  std::string_view text_;
  const Constants& known_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

// Without its comment.
std::string_view code_of(std::string_view line) {
  char quote = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (quote != 0)
      quote = line[at] == quote ? static_cast<char>(0) : quote;
    else if (line[at] == '"' || line[at] == '\'')
      quote = line[at];
    else if (line[at] == '#')
      return line.substr(0, at);
  }
  return line;
}

// "    NAME = rest" -> NAME, rest
std::optional<std::pair<std::string, std::string>> assignment(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos || line[begin] < 'A' || line[begin] > 'Z') return {};
  const std::size_t end = line.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", begin);
  if (end == std::string_view::npos) return {};
  const std::size_t equal = line.find_first_not_of(" \t", end);
  if (equal == std::string_view::npos || line[equal] != '=' || line.substr(equal).starts_with("=="))
    return {};
  return std::pair(std::string(line.substr(begin, end - begin)), std::string(line.substr(equal + 1)));
}

bool is_open(std::string_view text) {
  return std::count(text.begin(), text.end(), '[') > std::count(text.begin(), text.end(), ']') ||
         std::count(text.begin(), text.end(), '(') > std::count(text.begin(), text.end(), ')');
}

Result<void> take_number(const Constants& all, const char* name, std::optional<std::int64_t>& to) {
  const auto found = all.find(name);
  if (found == all.end() || std::holds_alternative<std::monostate>(found->second)) return {};
  const auto* number = std::get_if<std::int64_t>(&found->second);
  if (number == nullptr || *number < 1)
    return fail(fmt::format("{} must be a whole number above 0, or None", name));
  to = *number;
  return {};
}

Result<void> take_keys(const Constants& all, std::vector<std::string>& keys) {
  const auto found = all.find("KEYS");
  if (found == all.end()) return {};
  const auto* list = std::get_if<List>(&found->second);
  if (list == nullptr) return fail("KEYS must be a list of texts");
  for (const Value& value : *list) {
    const auto* key = std::get_if<std::string>(&value);
    if (key == nullptr) return fail("KEYS must be a list of texts");
    keys.push_back(*key);
  }
  return {};
}

const char* const kUsed[] = {"PORT",
                             "COURSELABS",
                             "KEYS",
                             "RUNJOB_TIMEOUT",
                             "MAX_INPUT_FILE_SIZE",
                             "MAX_OUTPUT_FILE_SIZE",
                             "VM_ULIMIT_FILE_SIZE",
                             "VM_ULIMIT_USER_PROC",
                             "DOCKER_MEMORY_LIMIT",
                             "DEFAULT_KEY"};

Result<TangoConfig> config_from(const Constants& all) {
  TangoConfig config;
  TRY(take_number(all, "PORT", config.port));
  TRY(take_number(all, "RUNJOB_TIMEOUT", config.runjob_timeout));
  TRY(take_number(all, "MAX_INPUT_FILE_SIZE", config.max_input));
  TRY(take_number(all, "MAX_OUTPUT_FILE_SIZE", config.max_output));
  TRY(take_number(all, "VM_ULIMIT_FILE_SIZE", config.file_size));
  TRY(take_number(all, "VM_ULIMIT_USER_PROC", config.processes));
  TRY(take_number(all, "DOCKER_MEMORY_LIMIT", config.memory_mb));
  TRY(take_keys(all, config.keys));
  if (const auto found = all.find("COURSELABS"); found != all.end()) {
    const auto* text = std::get_if<std::string>(&found->second);
    if (text == nullptr) return fail("COURSELABS must be a text");
    config.courselabs = *text;
  }
  return config;
}

}  // namespace

Result<TangoConfig> read_tango_config(std::string_view text) {
  Constants all;
  std::map<std::string, std::vector<std::string>> without_effect;  // by why
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    const int first = ++number;
    auto found = assignment(code_of(line));
    if (!found) continue;
    auto& [name, expression] = *found;
    while (is_open(expression) && std::getline(lines, line)) {
      ++number;
      expression += std::string(code_of(line)) + "\n";
    }
    auto value = Expression(expression, all).whole();
    const bool used = std::find(std::begin(kUsed), std::end(kUsed), name) != std::end(kUsed);
    if (used && !value)
      return fail(fmt::format("line {}: {} is not a plain constant", first, name), "write its value");
    if (value) all[name] = std::move(*value);
    if (const char* why = why_obsolete(name))
      without_effect[why].push_back(name);
    else if (!used)
      without_effect["not known"].push_back(name);
  }
  auto config = TRY(config_from(all));
  for (const auto& [why, names] : without_effect)
    config.notes.push_back(fmt::format("no effect: {} ({})", fmt::join(names, ", "), why));
  return config;
}

Result<TangoConfig> load_tango_config(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return fail_errno("read", path);
  auto config = read_tango_config(text.str());
  if (!config) return fail(fmt::format("{}: {}", path, config.error().line()));
  return config;
}

}  // namespace milonga::rest
