#include "autodriver/options.h"

#include <algorithm>
#include <boost/program_options/value_semantic.hpp>
#include <span>

#include "base/nearest.h"
#include "base/size.h"

namespace milonga {
namespace {

namespace po = boost::program_options;

// What a run on a bare host insists on unless told otherwise. Weaker hosts have
// to say so aloud, with --require DEMAND>=RUNG, so that nobody believes to have
// a protection that is not there.
struct RequireRow {
  Demand demand;
  Rung rung;
  const char* why;
};
constexpr RequireRow kDefaultRequire[] = {
    {Demand::wall, Rung::strong, "a clock that the job can stop or slow down limits nothing"},
    {Demand::cpu, Rung::strong, "RLIMIT_CPU counts one process at a time: a forking loop never reaches it"},
    {Demand::memory, Rung::strong, "RLIMIT_AS counts one process and address space, not memory"},
    {Demand::processes, Rung::strong, "RLIMIT_NPROC is shared by all processes of a uid"},
    {Demand::disk, Rung::strong, "files outside a bounded tmpfs would fill the host's disk"},
    {Demand::kill, Rung::strong, "a process that survives can edit the next student's files"},
    {Demand::network, Rung::strong, "answers could be fetched, and tests sent out"},
    {Demand::filesystem, Rung::strong, "the host's files must not be writable"},
    {Demand::visibility, Rung::strong, "other students' processes must be out of sight"},
    {Demand::privilege, Rung::strong, "setuid programs of the image must not work"},
    {Demand::syscalls, Rung::strong, "most kernel holes are reached through calls that no lab needs"},
};

// --require container: what a default `docker run` can give. Everything else stays as above.
constexpr RequireRow kContainerRequire[] = {
    {Demand::memory, Rung::bounded, "no cgroup of our own: RLIMIT_DATA of each process, and the container's own limit"},
    {Demand::disk, Rung::best_effort, "no tmpfs of our own: no single file is larger; the container's disk is the rest"},
    {Demand::kill, Rung::bounded, "no pid namespace: the tracer's death kills, then the uid is swept"},
    {Demand::filesystem, Rung::bounded, "no mount namespace: Landlock, and the rights of a uid of its own"},
    {Demand::visibility, Rung::bounded, "the container's processes are seen; none of another uid can be touched"},
};

// Tango's short and long names; the first name is ours, and the key.
struct SpellingRow {
  LimitId id;
  const char* tango_long;
  const char* tango_short;
};
constexpr SpellingRow kTangoSpellings[] = {
    {LimitId::processes, "nproc", "u"},
    {LimitId::file_size, "fsize", "f"},
    {LimitId::wall, "timeout", "t"},
    {LimitId::output, "osize", "o"},
};

// Options without a value: of what is else counted they make the end of the job.
struct FlagRow {
  const char* option;
  bool BoxOptions::*flag;
  const char* help;
};
constexpr FlagRow kFlags[] = {
    {"pids-fatal", &BoxOptions::process_limit_fatal,
     "a refused fork ends the job with process_limit, instead of being counted"},
    {"output-fatal", &BoxOptions::output_limit_fatal,
     "more output than --output ends the job with output_limit, instead of being cut in the middle"},
};

constexpr const char* kNetworkNames[] = {"none", "loopback", "host"};

const char* const kOtherOptions[] = {"network", "image", "profile", "require"};

Result<std::uint64_t> parse_amount(LimitUnit unit, std::string_view text) {
  switch (unit) {
    case LimitUnit::seconds:
      return parse_seconds(text);
    case LimitUnit::bytes:
      return parse_size(text);
    case LimitUnit::count:
      return parse_count(text);
  }
  bug("a limit without unit");
}

std::string print_amount(LimitUnit unit, std::uint64_t value) {
  switch (unit) {
    case LimitUnit::seconds:
      return print_seconds(value);
    case LimitUnit::bytes:
      return print_size(value);
    case LimitUnit::count:
      return std::to_string(value);
  }
  bug("a limit without unit");
}

// 0 is "no limit", as in Tango. The limits that a box cannot be without (those
// with a default) then get the largest value there is.
Result<> set_limit(Limits& limits, const LimitRow& row, std::string_view text) {
  const std::string option = std::string("--") + row.option;
  const Result<std::uint64_t> value = parse_amount(row.unit, text);
  if (!value) return tl::unexpected(Error{option + ": " + value.error().what, value.error().hint, 0});
  if (*value != 0 && (*value < row.minimum || *value > row.maximum)) {
    return fail(option + ": " + print_amount(row.unit, *value) + " is out of range",
                "from " + print_amount(row.unit, row.minimum) + " to " + print_amount(row.unit, row.maximum) +
                    (row.unit == LimitUnit::seconds ? " seconds" : "") +
                    (row.default_value == 0 ? ", or 0 for no limit" : ", or 0 for the most"));
  }
  limits[row.id] = *value == 0 && row.default_value != 0 ? row.maximum : *value;
  return {};
}

// The index of `name` in a table of names.
Result<std::size_t> index_of(std::string_view what, std::string_view name,
                             std::span<const char* const> names) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i] == name) return i;
  }
  return fail("--require: no " + std::string(what) + " '" + std::string(name) + "'",
              nearest_hint(name, known));
}

// "memory>=exact", or several with commas between.
Result<> set_require(BoxOptions& options, std::string_view text) {
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view one = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (one == "container") {
      for (const RequireRow& row : kContainerRequire) options.require[static_cast<std::size_t>(row.demand)] = row.rung;
      continue;
    }
    const std::size_t sign = one.find(">=");
    if (sign == std::string_view::npos) {
      return fail("--require: '" + std::string(one) + "' is not DEMAND>=RUNG", "for example memory>=exact; or 'container' for what a default docker run can give");
    }
    const std::size_t demand = TRY(index_of("demand", one.substr(0, sign), kDemandNames));
    const std::size_t rung = TRY(index_of("rung", one.substr(sign + 2), kRungNames));
    options.require[demand] = static_cast<Rung>(rung);
  }
  return {};
}

Result<bool> yes_or_no(std::string_view option, std::string_view value, std::string_view yes,
                       std::string_view no) {
  if (value == yes) return true;
  if (value == no) return false;
  return fail("--" + std::string(option) + ": '" + std::string(value) + "' is neither '" + std::string(yes) +
              "' nor '" + std::string(no) + "'");
}

Result<> set_network(BoxOptions& options, std::string_view value) {
  for (std::size_t i = 0; i < std::size(kNetworkNames); ++i) {
    if (value != kNetworkNames[i]) continue;
    options.network = static_cast<Network>(i);
    return {};
  }
  if (value.starts_with("allow=")) {
    return fail("--network: this version cannot allow single networks", "none, loopback or host");
  }
  return fail("--network: no network '" + std::string(value) + "'",
              nearest_hint(value, std::vector<std::string_view>{std::begin(kNetworkNames), std::end(kNetworkNames)}));
}

const FlagRow* find_flag(std::string_view option) {
  for (const FlagRow& row : kFlags) {
    if (row.option == option) return &row;
  }
  return nullptr;
}

const LimitRow* find_limit(std::string_view option) {
  for (const LimitRow& row : kLimits) {
    if (row.option == option) return &row;
  }
  return nullptr;
}

std::string limit_help(const LimitRow& row) {
  std::string text = row.why;
  text += row.default_value == 0 ? std::string("; default: no limit")
                                 : "; default: " + print_amount(row.unit, row.default_value);
  return text;
}

// Tango's users know its sentence for a bad number; scripts look for it.
std::optional<Error> tango_number_error(const po::option& parsed) {
  if (parsed.original_tokens.empty()) return std::nullopt;
  const std::string& token = parsed.original_tokens.front();
  for (const SpellingRow& row : kTangoSpellings) {
    const bool long_name = token.starts_with(std::string("--") + row.tango_long);
    const bool short_name = token.starts_with(std::string("-") + row.tango_short);
    const std::string value = parsed.value.empty() ? "" : parsed.value.front();
    if ((long_name || short_name) && !parse_amount(limit_row(row.id).unit, value)) {
      return Error{std::string("The argument to ") + row.tango_long + " must be a nonnegative integer", "",
                   0};
    }
  }
  return std::nullopt;
}

}  // namespace

Rung required_rung(const BoxOptions& options, Demand demand) {
  if (options.required(demand)) return *options.required(demand);
  if (demand == Demand::network && options.network == Network::host) return Rung::none;
  // A limit that nobody set needs no mechanism.
  const std::size_t index = static_cast<std::size_t>(demand);
  if (index < kLimitCount && options.limits.value[index] == 0) return Rung::none;
  for (const RequireRow& row : kDefaultRequire) {
    if (row.demand == demand) return row.rung;
  }
  return Rung::none;
}

bool is_box_option(std::string_view name) {
  return find_limit(name) != nullptr || find_flag(name) != nullptr ||
         std::find(std::begin(kOtherOptions), std::end(kOtherOptions), name) != std::end(kOtherOptions);
}

Result<> set_box_option(BoxOptions& options, std::string_view name, std::string_view value) {
  if (const LimitRow* row = find_limit(name)) return set_limit(options.limits, *row, value);
  if (name == "require") return set_require(options, value);
  if (name == "network") {
    return set_network(options, value);
  }
  if (const FlagRow* row = find_flag(name)) {
    options.*row->flag = TRY(yes_or_no(name, value, "yes", "no"));
    return {};
  }
  if (name == "profile") {
    options.profile = TRY(parse_profile(value));
    return {};
  }
  if (name == "image") {
    if (value.empty())
      return fail("--image: the name is empty", "'default' is this host's own system, read-only");
    options.image = value;
    return {};
  }
  std::vector<std::string_view> known(std::begin(kOtherOptions), std::end(kOtherOptions));
  for (const LimitRow& row : kLimits) known.emplace_back(row.option);
  for (const FlagRow& row : kFlags) known.emplace_back(row.option);
  return fail("no option '" + std::string(name) + "'", nearest_hint(name, known));
}

Result<ProfileId> parse_profile(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Profile& profile : kProfiles) {
    if (name == profile.name) return profile.id;
    known.emplace_back(profile.name);
  }
  return fail("--profile: no profile '" + std::string(name) + "'", nearest_hint(name, known));
}

Result<BoxOptions> box_options_from(const std::map<std::string, std::string>& values) {
  BoxOptions options;
  for (const auto& [name, value] : values) TRY(set_box_option(options, name, value));
  return options;
}

std::map<std::string, std::string> box_option_map(const BoxOptions& options) {
  std::map<std::string, std::string> values;
  for (const LimitRow& row : kLimits) {
    const std::uint64_t value = options.limits[row.id];
    if (value != row.default_value) values[row.option] = print_amount(row.unit, value);
  }
  if (options.network != BoxOptions{}.network)
    values["network"] = kNetworkNames[static_cast<std::size_t>(options.network)];
  for (const FlagRow& row : kFlags)
    if (options.*row.flag) values[row.option] = "yes";
  if (options.image != "default") values["image"] = options.image;
  if (options.profile != ProfileId::course) values["profile"] = profile(options.profile).name;
  std::string require;
  for (std::size_t i = 0; i < kDemandCount; ++i) {
    if (!options.require[i]) continue;
    if (!require.empty()) require += ",";
    require += std::string(kDemandNames[i]) + ">=" + rung_name(*options.require[i]);
  }
  if (!require.empty()) values["require"] = require;
  return values;
}

std::vector<std::string> autodriver_arguments(const BoxOptions& options) {
  std::vector<std::string> arguments;
  for (const auto& [name, value] : box_option_map(options)) {
    arguments.push_back(find_flag(name) != nullptr ? "--" + name : "--" + name + "=" + value);
  }
  return arguments;
}

void declare_box_options(po::options_description& description) {
  static constexpr const char* kUnitNames[] = {"S", "SIZE", "N"};
  for (const LimitRow& row : kLimits) {
    std::string names = row.option;
    for (const SpellingRow& spelling : kTangoSpellings) {
      if (spelling.id == row.id) names += std::string(",") + spelling.tango_long + "," + spelling.tango_short;
    }
    description.add_options()(
        names.c_str(), po::value<std::string>()->value_name(kUnitNames[static_cast<std::size_t>(row.unit)]),
        limit_help(row).c_str());
  }
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  description.add_options()                                                                         //
      ("network", text("none|loopback|host"),
       "an empty network, one with the box's own localhost (default), or the host's")  //
      ("image", text("NAME|DIR"), "the system that the job sees; default: this host's, read-only")  //
      ("profile", text("NAME"),
       "system calls: course (default), strict (no debuggers, sockets, IPC), debugger (and rr, perf)")  //
      ("require", text("DEMAND>=RUNG"),
       "refuse to run with less (rungs: exact strong bounded best_effort none)");
  for (const FlagRow& row : kFlags) description.add_options()(row.option, row.help);
}

Result<bool> take_box_option(BoxOptions& options, const po::option& parsed) {
  if (!is_box_option(parsed.string_key)) return false;
  if (std::optional<Error> error = tango_number_error(parsed)) return tl::unexpected(std::move(*error));
  if (const FlagRow* row = find_flag(parsed.string_key)) {
    options.*row->flag = true;
    return true;
  }
  TRY(set_box_option(options, parsed.string_key, parsed.value.empty() ? "" : parsed.value.front()));
  return true;
}

}  // namespace milonga
