#include "runner/options.h"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <thread>

#include "base/child.h"
#include "base/nearest.h"
#include "runner/config.h"
#include "runner/vmm/container.h"
#include "runner/vmm/drivers.h"

namespace milonga::runner {
namespace {

namespace po = boost::program_options;

constexpr double kLongestWall = 7.0 * 24 * 3600;  // seconds, as in sandbox/model/limits.h

constexpr const char* kDefaultConfig = "/etc/milonga/milonga.toml";

po::options_description describe() {
  po::options_description d("Options", 110, 60);
  for (const Setting& s : settings()) {
    if (s.kind == SettingKind::flag)
      d.add_options()(s.option, s.help);
    else if (s.kind == SettingKind::list)
      d.add_options()(s.option, po::value<std::vector<std::string>>()->value_name(s.value), s.help);
    else
      d.add_options()(s.option, po::value<std::string>()->value_name(s.value), s.help);
  }
  d.add_options()("config", po::value<std::string>()->value_name("FILE"),
                  "the config (default: MILONGA_CONFIG, or /etc/milonga/milonga.toml if it is there)");
  d.add_options()("check-config", "say whether config and options are right, exit");
  d.add_options()("check", "open the spool, say what is in it, exit");
  d.add_options()("help,h", "this text")("version", "the version");
  return d;
}

// What was given, with where it was: the command line before the environment before the config.
class Given {
 public:
  explicit Given(po::variables_map values) : values_(std::move(values)) {}

  void add(const ConfigValue& value) { config_.emplace(value.setting->option, value); }

  [[nodiscard]] bool on_command_line(const char* name) const { return values_.contains(name); }
  [[nodiscard]] bool has(const char* name) const { return on_command_line(name) || config_.contains(name); }
  [[nodiscard]] std::string text(const char* name) const {
    return on_command_line(name) ? values_[name].as<std::string>() : config_.at(name).values.front();
  }
  [[nodiscard]] std::vector<std::string> list(const char* name) const {
    if (on_command_line(name)) return values_[name].as<std::vector<std::string>>();
    return config_.contains(name) ? config_.at(name).values : std::vector<std::string>{};
  }
  [[nodiscard]] bool flag(const char* name) const {
    return on_command_line(name) || (config_.contains(name) && text(name) == "true");
  }
  // "--slots", or "FILE:3: runner.slots"
  [[nodiscard]] std::string name_of(const char* name) const {
    if (on_command_line(name) || !config_.contains(name)) return std::string("--") + name;
    const ConfigValue& value = config_.at(name);
    return value.where + ": " + value.setting->key;
  }
  [[nodiscard]] Result<double> number(const char* name, double fallback, double least, double most) const {
    if (!has(name)) return fallback;
    const std::string given = text(name);
    char* end = nullptr;
    const double value = std::strtod(given.c_str(), &end);
    if (given.empty() || *end != '\0' || !(value >= least && value <= most))
      return fail(fmt::format("{} '{}' is not a number from {} to {}", name_of(name), given, least, most));
    return value;
  }
  [[nodiscard]] Result<std::chrono::milliseconds> seconds(const char* name, double fallback, double least,
                                                          double most) const {
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(TRY(number(name, fallback, least, most)) * 1000));
  }

 private:
  po::variables_map values_;
  std::map<std::string, ConfigValue> config_;
};

Result<po::variables_map> parse(int argc, const char* const* argv,
                                const po::options_description& description) {
  po::variables_map values;
  try {
    const auto style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(argc, argv).options(description).style(style).positional({}).run(),
              values);
  } catch (const po::unknown_option& e) {
    std::vector<std::string> names;
    for (const auto& option : description.options()) names.push_back("--" + option->long_name());
    const std::vector<std::string_view> known(names.begin(), names.end());
    return fail(fmt::format("unknown option '{}'", e.get_option_name()),
                nearest_hint(e.get_option_name(), known));
  } catch (const po::error& e) {
    return fail(e.what(), "see milongad --help");
  }
  return values;
}

Result<AddressRules> hosts(const Given& given, const char* name) {
  auto rules = AddressRules::parse(given.list(name));
  if (!rules) return fail(fmt::format("{}: {}", given.name_of(name), rules.error().what), rules.error().hint);
  return rules;
}

Result<CallbackOptions> callback_options(const Given& given) {
  CallbackOptions o;
  o.allow = TRY(hosts(given, "callback-allow"));
  o.insecure = TRY(hosts(given, "callback-insecure"));
  o.deadline = TRY(given.seconds("callback-timeout", 30, 0.1, 3600));
  o.expiry = TRY(given.seconds("callback-expiry", 86'400, 0, kLongestWall));
  return o;
}

std::string help_text(const po::options_description& description) {
  std::ostringstream text;
  text << "Usage: milongad [--config FILE] [--spool DIR] [--slots N]\n\nGrades the jobs of a spool, each in "
          "a box of its "
          "own.\n\n"
       << description
       << "\nExit status: 0 stopped as asked; 1 the spool failed, or cannot be used; 64 usage, or config.\n"
       << "Stop it with SIGTERM. Submit jobs with: milonga --spool DIR submit LAB\n";
  return text.str();
}

// The file that was named, which must be there; else the usual one, if it is there.
Result<std::string> config_file(const Given& given) {
  const char* from_environment = ::secure_getenv("MILONGA_CONFIG");
  std::error_code error;
  if (given.on_command_line("config")) {
    const std::string named = given.text("config");
    return named.empty() ? Result<std::string>(fail("--config names no file")) : named;
  }
  if (from_environment != nullptr && *from_environment != '\0') return std::string(from_environment);
  return std::string(std::filesystem::exists(kDefaultConfig, error) ? kDefaultConfig : "");
}

Result<void> set_runner(const Given& given, DaemonOptions& o) {
  o.slots = static_cast<std::size_t>(
      TRY(given.number("slots", std::max(1u, std::thread::hardware_concurrency()), 1, 400)));
  o.warm = static_cast<std::size_t>(TRY(given.number("warm", static_cast<double>(o.slots), 0, 400)));
  o.grace = TRY(given.seconds("grace", 10, 0, 3600));
  o.default_wall =
      std::chrono::floor<std::chrono::seconds>(TRY(given.seconds("default-wall", 600, 1, kLongestWall)));
  o.allow_volatile = given.flag("volatile");
  if (given.has("driver")) o.driver = given.text("driver");
  const auto& all = drivers();
  if (std::none_of(all.begin(), all.end(), [&](const Driver& d) { return o.driver == d.name; })) {
    std::vector<std::string_view> names;
    for (const Driver& driver : all) names.emplace_back(driver.name);
    return fail(fmt::format("{}: no driver is called '{}'", given.name_of("driver"), o.driver),
                nearest_hint(o.driver, names));
  }
  o.autodriver = given.has("autodriver") ? given.text("autodriver") : own_folder() + "/autodriver";
  std::error_code error;
  if (!std::filesystem::is_regular_file(o.autodriver, error))
    return fail(fmt::format("no autodriver at '{}'", o.autodriver), "name it with --autodriver FILE");
  return {};
}

Result<SshSetting> ssh_setting(const Given& given) {
  SshSetting s;
  for (const std::string& text : given.list("ssh-host")) {
    auto host = parse_ssh_host(text);
    if (!host) return fail(given.name_of("ssh-host") + ": " + host.error().what, host.error().hint);
    s.hosts.push_back(std::move(*host));
  }
  if (given.has("ssh-identity")) s.identity = given.text("ssh-identity");
  if (given.has("ssh-known-hosts")) s.known_hosts = given.text("ssh-known-hosts");
  return s;
}

Result<ExecSetting> exec_setting(const Given& given) {
  ExecSetting e;
  if (given.has("exec-directory")) e.directory = std::filesystem::absolute(given.text("exec-directory")).string();
  e.environment = given.list("exec-environment");
  for (const std::string& variable : e.environment) {
    const std::string name = variable.substr(0, variable.find('='));
    if (name.empty() || name == variable || name.starts_with("MILONGA_") || variable.find('\n') != std::string::npos)
      return fail(fmt::format("{}: '{}' is no variable for a driver", given.name_of("exec-environment"), variable),
                  "NAME=VALUE, in one line, and no name that begins with MILONGA_");
  }
  return e;
}

Result<DockerSetting> docker_setting(const Given& given) {
  DockerSetting d;
  const auto text = [&given](const char* name, std::string& into) {
    if (given.has(name)) into = given.text(name);
  };
  text("docker-socket", d.socket);
  text("docker-image", d.image);
  text("docker-network", d.network);
  if (given.has("docker-cpus")) d.cpus = TRY(given.number("docker-cpus", 0, 0.01, 1024));
  if (!d.image.empty() && !is_image_name(d.image))
    return fail(fmt::format("{}: '{}' is no name of a Docker image", given.name_of("docker-image"), d.image));
  if (d.network == "host" || d.network.starts_with("container:"))
    return fail(fmt::format("{}: with '{}' jobs would reach what listens on the host alone",
                            given.name_of("docker-network"), d.network),
                "name a network of Docker's, such as bridge");
  return d;
}

}  // namespace

Result<DaemonOptions> parse_daemon_options(int argc, const char* const* argv) {
  const po::options_description description = describe();
  Given given(TRY(parse(argc, argv, description)));
  DaemonOptions o;
  if (given.on_command_line("version")) o.print = fmt::format("milongad {}\n", MILONGA_VERSION);
  if (given.on_command_line("help")) o.print = help_text(description);
  if (o.print) return o;
  o.config = TRY(config_file(given));
  if (!o.config.empty())
    for (const ConfigValue& value : TRY(read_config(o.config))) given.add(value);
  if (given.has("spool")) o.spool = given.text("spool");
  const char* from_environment = ::secure_getenv("MILONGA_SPOOL");
  if (!given.on_command_line("spool") && from_environment != nullptr) o.spool = from_environment;
  if (o.spool.empty()) return fail(given.name_of("spool") + " names no directory");
  TRY(set_runner(given, o));
  o.docker = TRY(docker_setting(given));
  o.ssh = TRY(ssh_setting(given));
  o.exec = TRY(exec_setting(given));
  o.callbacks = TRY(callback_options(given));
  if (given.has("metrics-listen")) o.metrics_listen = given.text("metrics-listen");
  o.check = given.on_command_line("check");
  o.check_config = given.on_command_line("check-config");
  return o;
}

}  // namespace milonga::runner
