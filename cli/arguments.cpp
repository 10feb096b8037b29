// Command lines of the sub-commands, from their tables of options.
#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "base/nearest.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "queue/spool.h"

namespace milonga::cli {
namespace {

namespace po = boost::program_options;

constexpr const char* kDefaultSpool = "/var/spool/milonga";
constexpr Option kCommonOptions[] = {
    {"spool", "DIR", "the queue's directory; default: $MILONGA_SPOOL or /var/spool/milonga"},
    {"json", nullptr, "for programs: JSON on standard output"},
    {"help,h", nullptr, "print this and exit"},
};
constexpr Option kCommandOption[] = {
    {"command", nullptr, "run the words after -- instead of make"},
};

void declare(po::options_description& into, std::span<const Option> options) {
  for (const Option& option : options) {
    if (option.value == nullptr) {
      into.add_options()(option.name, option.help);
    } else {
      into.add_options()(option.name, po::value<std::string>()->value_name(option.value), option.help);
    }
  }
}

po::options_description own_options(const Command& command) {
  po::options_description own("Options", 100, 60);
  declare(own, command.options);
  if (command.takes_box_options) declare(own, kCommandOption);
  declare(own, kCommonOptions);
  return own;
}

po::options_description box_options() {
  po::options_description box("Box (SIZE: bytes, or a number with K, M or G; S: seconds; 0: no limit)", 100,
                              60);
  declare_box_options(box);
  return box;
}

Unexpected unknown_option(const po::options_description& known, const std::string& name) {
  const std::string bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
  std::vector<std::string> names;
  std::string near;
  for (const auto& option : known.options()) {
    const auto [begin, count] = option->long_names();
    names.insert(names.end(), begin, begin + count);
    if (begin->starts_with(bare)) near = *begin;  // shortened: --mem
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  if (near.empty()) near = nearest(bare, views);
  return fail("no option '" + name + "'", near.empty() ? "see --help" : "did you mean '--" + near + "'?");
}

// Boost's exceptions end here. No guessing of shortened names: a script that
// relies on --mem breaks when --memory-swap comes.
Result<po::parsed_options> parse(const std::vector<std::string>& tokens,
                                 const po::options_description& known) {
  po::positional_options_description positional;
  positional.add("word", -1);
  po::options_description all;
  all.add(known);
  all.add_options()("word", po::value<std::string>());
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  try {
    return po::command_line_parser(tokens).options(all).positional(positional).style(style).run();
  } catch (const po::unknown_option& e) {
    const std::string name = e.get_option_name();
    return unknown_option(known, name.substr(0, name.find('=')));
  } catch (const po::error& e) {
    return fail(e.what(), "see --help");
  }
}

std::string usage_of(const Command& command) {
  const std::string words = command.words;
  return std::string("milonga ") + command.name + (words.empty() ? "" : " " + words);
}

Result<> take(Arguments& arguments, const Command& command, const po::option& option) {
  if (command.takes_box_options && TRY(take_box_option(arguments.box, option))) return {};
  const std::string value = option.value.empty() ? std::string() : option.value.front();
  if (option.string_key == "word") {
    if (value.empty()) return fail("an empty argument", "usage: " + usage_of(command));
    arguments.words.push_back(value);
  } else {
    arguments.values[option.string_key] = value;
  }
  return {};
}

Result<> check_words(const Arguments& arguments, const Command& command) {
  const std::string usage = "usage: " + usage_of(command);
  if (arguments.words.size() > command.max_words)
    return fail("one argument too many: '" + arguments.words[command.max_words] + "'", usage);
  const bool directory_missing =
      command.takes_box_options && arguments.argv.empty() && arguments.words.empty();
  if (arguments.words.size() < command.min_words || directory_missing)
    return fail(std::string("the ") + command.words + " is missing", usage);
  return {};
}

}  // namespace

std::string Arguments::get(const char* option) const {
  const auto found = values.find(option);
  return found == values.end() ? std::string() : found->second;
}

Result<Arguments> parse_arguments(const Command& command, const std::vector<std::string>& tokens) {
  const auto end = std::find(tokens.begin(), tokens.end(), "--");
  po::options_description known = own_options(command);
  if (command.takes_box_options) known.add(box_options());
  const po::parsed_options parsed = TRY(parse({tokens.begin(), end}, known));
  Arguments arguments;
  for (const po::option& option : parsed.options) TRY(take(arguments, command, option));
  if (arguments.has("help")) return arguments;
  for (const Option& option : command.options) {
    if (option.value != nullptr && arguments.has(option.name) && arguments.get(option.name).empty())
      return fail(std::string("--") + option.name + " is empty",
                  std::string("it takes a value: ") + option.value);
  }
  if (end != tokens.end()) {
    auto& rest = arguments.has("command") ? arguments.argv : arguments.words;
    rest.insert(rest.end(), end + 1, tokens.end());
  }
  if (arguments.has("command") && (arguments.argv.empty() || arguments.argv.front().empty()))
    return fail("--command: there is no command", "write it last: --command -- ARGV...");
  TRY(check_words(arguments, command));
  const char* from_environment = ::secure_getenv("MILONGA_SPOOL");
  arguments.spool = arguments.has("spool")                                     ? arguments.get("spool")
                    : from_environment != nullptr && *from_environment != '\0' ? from_environment
                                                                               : kDefaultSpool;
  if (arguments.spool.empty()) return fail("--spool is empty", "name the queue's directory");
  return arguments;
}

std::string help_of(const Command& command) {
  std::ostringstream text;
  text << "Usage: milonga " << command.name << " [OPTION...] " << command.words << "\n";
  if (command.takes_box_options)
    text << "       milonga " << command.name << " [OPTION...] "
         << (command.min_words == 0 ? "[DIRECTORY]" : "DIRECTORY") << " --command -- ARGV...\n";
  text << command.help << "\n\n" << own_options(command);
  if (command.takes_box_options) {
    text << "\n"
         << box_options()
         << "Tango's names: --nproc (--pids), --fsize (--file-size), --timeout (--wall-time), --osize "
            "(--output)\n";
  }
  return text.str();
}

int complain(const std::string& what, int exit_status) {
  std::fprintf(stderr, "milonga: %s\n", printable(what).c_str());
  return exit_status;
}

Result<int> print(std::string_view text, int exit_status) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    return fail_errno("write to", "standard output");
  return exit_status;
}

Result<std::unique_ptr<queue::Queue>> open_queue(const Arguments& arguments) {
  queue::SpoolOptions options;
  options.path = arguments.spool;
  options.allow_volatile = true;  // whether it may be is decided by the daemon, which makes the spool
  auto opened = queue::open_spool(std::move(options));
  if (!opened && opened.error().code == ENOENT) {
    return fail("no spool at '" + arguments.spool + "'",
                "start the daemon: milongad --spool " + arguments.spool + ", or name another with --spool");
  }
  if (!opened && opened.error().code == EACCES) {
    return fail("the spool '" + arguments.spool + "' is not open to you: " + opened.error().what,
                "ask whoever runs its daemon, or name another with --spool");
  }
  return opened;
}

queue::JobId parse_id(const std::string& word) {
  queue::JobId id = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
  return error == std::errc() && end == word.data() + word.size() && id > 0 ? id : 0;
}

int no_such_job(const Arguments& arguments, const std::string& word) {
  return complain("no job '" + word + "' in spool '" + arguments.spool + "' (see milonga list)", kNoSuchJob);
}

}  // namespace milonga::cli
