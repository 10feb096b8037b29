#include "runner/options.h"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>

#include "base/child.h"
#include "base/nearest.h"
#include "runner/vmm/drivers.h"

namespace milonga::runner {
namespace {

namespace po = boost::program_options;

constexpr double kLongestWall = 7.0 * 24 * 3600;  // seconds, as in sandbox/model/limits.h

po::options_description describe() {
  po::options_description d("Options");
  d.add_options()("spool", po::value<std::string>()->value_name("DIR"),
                  "the queue (default /var/spool/milonga, or MILONGA_SPOOL)");
  d.add_options()("slots", po::value<std::string>()->value_name("N"),
                  "jobs at once, 1 to 400 (default: number of CPUs)");
  d.add_options()("driver", po::value<std::string>()->value_name("NAME"),
                  "what runs the jobs (default local: boxes on this host)");
  d.add_options()("grace", po::value<std::string>()->value_name("S"),
                  "seconds that running jobs get when the daemon is told to stop (default 10)");
  d.add_options()("default-wall", po::value<std::string>()->value_name("S"),
                  "wall time limit of jobs that bring none (default 600)");
  d.add_options()("autodriver", po::value<std::string>()->value_name("FILE"),
                  "the autodriver to use (default: beside milongad)");
  d.add_options()("callback-allow", po::value<std::vector<std::string>>()->value_name("HOST"),
                  "callbacks may go there although it is no public address: HOST[:PORT], NETWORK/BITS; may be repeated");
  d.add_options()("callback-insecure", po::value<std::vector<std::string>>()->value_name("HOST"),
                  "callbacks to this host: any TLS certificate will do; may be repeated");
  d.add_options()("callback-timeout", po::value<std::string>()->value_name("S"),
                  "seconds that the receiver of a callback has to answer (default 30)");
  d.add_options()("callback-expiry", po::value<std::string>()->value_name("S"),
                  "seconds after a job's end, its callback is given up (default 86400)");
  d.add_options()("volatile", "accept a spool on tmpfs or overlay, which a power cut empties");
  d.add_options()("check", "open the spool, say what is in it, exit");
  d.add_options()("help,h", "this text")("version", "the version");
  return d;
}

Result<double> number(const po::variables_map& values, const char* name, double fallback, double least,
                      double most) {
  if (!values.contains(name)) return fallback;
  const std::string text = values[name].as<std::string>();
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= least && value <= most))
    return fail(fmt::format("--{} '{}' is not a number from {} to {}", name, text, least, most));
  return value;
}

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

Result<AddressRules> hosts(const po::variables_map& values, const char* name) {
  if (!values.contains(name)) return AddressRules{};
  auto rules = AddressRules::parse(values[name].as<std::vector<std::string>>());
  if (!rules) return fail(fmt::format("--{}: {}", name, rules.error().what), rules.error().hint);
  return rules;
}

Result<CallbackOptions> callback_options(const po::variables_map& values) {
  CallbackOptions o;
  o.allow = TRY(hosts(values, "callback-allow"));
  o.insecure = TRY(hosts(values, "callback-insecure"));
  o.deadline = std::chrono::milliseconds(
      static_cast<std::int64_t>(TRY(number(values, "callback-timeout", 30, 0.1, 3600)) * 1000));
  o.expiry = std::chrono::milliseconds(
      static_cast<std::int64_t>(TRY(number(values, "callback-expiry", 86'400, 0, kLongestWall)) * 1000));
  return o;
}

}  // namespace

Result<DaemonOptions> parse_daemon_options(int argc, const char* const* argv) {
  const po::options_description description = describe();
  const po::variables_map values = TRY(parse(argc, argv, description));
  DaemonOptions o;
  if (values.contains("version")) o.print = fmt::format("milongad {}\n", MILONGA_VERSION);
  if (values.contains("help")) {
    std::ostringstream text;
    text << "Usage: milongad [--spool DIR] [--slots N]\n\nGrades the jobs of a spool, each in a box of its "
            "own.\n\n"
         << description
         << "\nExit status: 0 stopped as asked; 1 the spool failed, or cannot be used; 64 usage.\n"
         << "Stop it with SIGTERM. Submit jobs with: milonga --spool DIR submit LAB\n";
    o.print = text.str();
  }
  if (const char* spool = std::getenv("MILONGA_SPOOL")) o.spool = spool;
  if (values.contains("spool")) o.spool = values["spool"].as<std::string>();
  if (o.spool.empty()) return fail("--spool names no directory");
  o.slots = static_cast<std::size_t>(
      TRY(number(values, "slots", std::max(1u, std::thread::hardware_concurrency()), 1, 400)));
  o.grace =
      std::chrono::milliseconds(static_cast<std::int64_t>(TRY(number(values, "grace", 10, 0, 3600)) * 1000));
  o.default_wall = std::chrono::seconds(
      static_cast<std::int64_t>(TRY(number(values, "default-wall", 600, 1, kLongestWall))));
  o.callbacks = TRY(callback_options(values));
  o.allow_volatile = values.contains("volatile");
  o.check = values.contains("check");
  if (values.contains("driver")) o.driver = values["driver"].as<std::string>();
  const auto& all = drivers();
  if (std::none_of(all.begin(), all.end(), [&](const Driver& d) { return o.driver == d.name; }))
    return fail(fmt::format("no driver is called '{}'", o.driver),
                fmt::format("there is: {}", all.front().name));
  o.autodriver =
      values.contains("autodriver") ? values["autodriver"].as<std::string>() : own_folder() + "/autodriver";
  std::error_code error;
  if (!o.print && !std::filesystem::is_regular_file(o.autodriver, error))
    return fail(fmt::format("no autodriver at '{}'", o.autodriver), "name it with --autodriver FILE");
  return o;
}

}  // namespace milonga::runner
