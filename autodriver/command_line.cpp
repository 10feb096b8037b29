#include "autodriver/command_line.h"

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <sstream>

#include "base/nearest.h"
#include "sandbox/model/request.h"

#ifndef MILONGA_VERSION
#error "the build gives MILONGA_VERSION"
#endif

namespace milonga {
namespace {

namespace po = boost::program_options;
using Action = CommandLine::Action;

po::options_description own_options() {
  po::options_description own("Run", 100, 60);
  own.add_options()                                                                                     //
      ("command", "run the words after -- instead of make; DIRECTORY may then be left out")             //
      ("report", po::value<std::string>()->value_name("FILE"), "write the report (JSON) to FILE")       //
      ("stream", "write the job's output to stdout while it runs, and nothing else")                    //
      ("lifeline", "stdin is a pipe or socket of the owner: when it ends, the box is killed (exit 3)")  //
      ("warm",
       "make the box now; its files, output and report come over stdin, a socket (see the man page)")  //
      ("help,?", "print this and exit")                                                                //
      ("usage", "the same")                                                                            //
      ("version", "print the version and exit");
  return own;
}

po::options_description box_options() {
  po::options_description box(
      "Box (SIZE: bytes, or a number with K, M or G; S: seconds, 1.5 is allowed; 0: no limit)", 100, 60);
  declare_box_options(box);
  return box;
}

// --name= with nothing behind it is an empty value (0 for a limit), as argp has
// it; Boost.Program_options takes it for a mistake.
std::vector<std::string> split_empty_values(std::vector<std::string> tokens) {
  std::vector<std::string> out;
  for (std::string& token : tokens) {
    const bool empty_value =
        token.size() > 3 && token.starts_with("--") && token.find('=') == token.size() - 1;
    if (empty_value) token.pop_back();
    out.push_back(std::move(token));
    if (empty_value) out.emplace_back();
  }
  return out;
}

Unexpected unknown_option(const po::options_description& known, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& option : known.options()) {
    const auto [begin, count] = option->long_names();
    for (std::size_t i = 0; i < count; ++i) names.push_back("--" + begin[i]);
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = nearest(name, views);
  return fail("no option '" + name + "'",
              near.empty() ? "see autodriver --help" : "did you mean '" + std::string(near) + "'?");
}

// Boost's exceptions end here.
Result<po::parsed_options> parse(const std::vector<std::string>& tokens,
                                 const po::options_description& known) {
  po::positional_options_description positional;
  positional.add("directory", -1);
  po::options_description all;
  all.add(known);
  all.add_options()("directory", po::value<std::string>());
  try {
    return po::command_line_parser(tokens).options(all).positional(positional).run();
  } catch (const po::unknown_option& e) {
    const std::string name = e.get_option_name();
    return unknown_option(known, name.substr(0, name.find('=')));
  } catch (const po::error& e) {
    return fail(e.what(), "see autodriver --help");
  }
}

Result<> take_option(CommandLine& line, const po::option& option) {
  const std::string& key = option.string_key;
  if (TRY(take_box_option(line.box, option))) return {};
  if (key == "directory") {
    if (!line.directory.empty()) return fail("Too many arguments", "one DIRECTORY; see autodriver --help");
    line.directory = option.value.front();
    if (line.directory.empty()) return fail("the name of the directory is empty");
  } else if (key == "report") {
    line.report_file = option.value.front();
    if (line.report_file.empty()) return fail("--report: the file's name is empty");
  } else if (key == "stream") {
    line.stream = true;
  } else if (key == "lifeline") {
    line.lifeline = true;
  } else if (key == "warm") {
    line.warm = line.lifeline = true;
  } else if (key == "help" || key == "usage") {
    line.action = Action::help;
  } else if (key == "version") {
    line.action = Action::version;
  }
  return {};
}

// What stands after "--".
Result<> take_rest(CommandLine& line, bool is_command, std::vector<std::string> rest) {
  if (is_command) {
    if (rest.empty() || rest.front().empty()) {
      return fail("--command: there is no command", "write it after the other options: --command -- ARGV...");
    }
    if (rest.size() > kMaxArgs) return fail("--command: more than " + std::to_string(kMaxArgs) + " words");
    line.command = std::move(rest);
    return {};
  }
  for (std::string& word : rest) {  // as in Tango: after -- a directory may start with '-'
    if (!line.directory.empty()) return fail("Too many arguments", "one DIRECTORY; see autodriver --help");
    line.directory = std::move(word);
  }
  return {};
}

}  // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string>& arguments) {
  CommandLine line;
  if (arguments.size() == 1 && arguments.front() == "gc") {
    line.action = Action::collect;
    return line;
  }
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  po::options_description known;
  known.add(own_options()).add(box_options());
  const po::parsed_options parsed = TRY(parse(split_empty_values({arguments.begin(), end}), known));
  bool is_command = false;
  for (const po::option& option : parsed.options) {
    if (option.string_key == "command") is_command = true;
    TRY(take_option(line, option));
  }
  if (line.action != Action::run) return line;
  TRY(take_rest(line, is_command,
                end == arguments.end() ? std::vector<std::string>{}
                                       : std::vector<std::string>(end + 1, arguments.end())));
  if (line.directory.empty() && line.command.empty()) {
    return fail("Too few arguments", "name the job's DIRECTORY; see autodriver --help");
  }
  if (line.warm && (line.directory.empty() || !line.report_file.empty())) {
    return fail("--warm needs the DIRECTORY's name, and no --report: that comes with the job");
  }
  return line;
}

std::string help_text() {
  std::ostringstream text;
  text << "Usage: autodriver [OPTION...] DIRECTORY\n"
          "       autodriver [OPTION...] [DIRECTORY] --command -- ARGV...\n"
          "       autodriver gc | selftest | learn | audit\n"
          "Runs make in a copy of DIRECTORY, in a box: a fresh sandbox with limits.\n"
          "gc removes what killed supervisors left behind; selftest tries here whether the promises hold, "
          "learn what\n"
          "the system call policy would refuse a command (each has --help). (A directory called gc is "
          "./gc.)\n\n"
       << own_options() << "\n"
       << box_options()
       << "\nTango's names: --nproc (--pids), --fsize (--file-size), --timeout (--wall-time), --osize "
          "(--output)\n"
          "Exit status: 0 the job ran (whatever its own status) or hit another limit than the time;\n"
          "1 bad usage; 2 the job timed out; 3 the run was refused or cancelled, or the system failed.\n";
  return text.str();
}

std::string version_text() {
  return "autodriver " MILONGA_VERSION "\n";
}

}  // namespace milonga
