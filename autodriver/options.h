// The options of a box: everything about a run that is not "which files, which
// command, where the results go". One parser for autodriver's command line,
// `milonga run|submit` and the options of a queued job.
//
// A new limit is one row in sandbox/model/limits.h; it then is an option here,
// a line of --help, a key of a job and of the report.
//
// Privilege: none. Nothing here touches the system.
#pragma once

#include <boost/program_options/option.hpp>
#include <boost/program_options/options_description.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sandbox/model/evidence.h"
#include "sandbox/model/limits.h"
#include "sandbox/policy/profiles.h"

namespace milonga {

enum class Network : std::uint32_t {
  none,      // an empty network namespace
  loopback,  // one with its own loopback interface, by which nothing leaves the box
  host,      // the host's
};

struct BoxOptions {
  Limits limits = default_limits();
  Network network = Network::loopback;
  bool process_limit_fatal = false;
  bool output_limit_fatal = false;
  ProfileId profile = ProfileId::course;
  std::string image = "default";              // "default", a name, or a directory (it has a slash)
  std::optional<Rung> require[kDemandCount];  // asked for explicitly; see required_rung

  std::optional<Rung>& required(Demand d) { return require[static_cast<std::size_t>(d)]; }
  [[nodiscard]] const std::optional<Rung>& required(Demand d) const {
    return require[static_cast<std::size_t>(d)];
  }
};

// What a run insists on: the rung asked for, else the default of a bare host
// (kDefaultRequire in options.cpp) as far as it makes sense for these options.
Rung required_rung(const BoxOptions& options, Demand demand);

// One option by its canonical long name without dashes ("memory", "256M").
// Fails with one sentence naming the option, the bad value and what is allowed.
Result<> set_box_option(BoxOptions& options, std::string_view name, std::string_view value);

// Is there such an option? Canonical long names only.
bool is_box_option(std::string_view name);

// The options of a queued job: canonical long names to values.
Result<BoxOptions> box_options_from(const std::map<std::string, std::string>& values);

// The other way: only what differs from the defaults.
std::map<std::string, std::string> box_option_map(const BoxOptions& options);

// The same as arguments of autodriver: {"--memory=256M", "--pids-fatal"}.
std::vector<std::string> autodriver_arguments(const BoxOptions& options);

// "strict". Fails with the names that there are.
Result<ProfileId> parse_profile(std::string_view name);

// For command lines parsed by Boost.Program_options. Tango's spellings (-u
// --nproc, -f --fsize, -t --timeout, -o --osize) are other names of four limits.
void declare_box_options(boost::program_options::options_description& description);

// Takes one parsed option if it is a box option: true, or false if it is not.
Result<bool> take_box_option(BoxOptions& options, const boost::program_options::option& parsed);

}  // namespace milonga
