// autodriver's command line: Tango's (GNU argp manners: options may follow the
// directory) with our options added.
//
// Privilege: none.
#pragma once

#include <string>
#include <vector>

#include "autodriver/options.h"
#include "base/result.h"

namespace milonga {

struct CommandLine {
  enum class Action { run, collect, help, version };
  Action action = Action::run;
  BoxOptions box;
  std::string directory;             // empty only with a command
  std::vector<std::string> command;  // empty: make
  std::string report_file;           // empty: none
  bool stream = false;               // output live, and nothing else on stdout
  bool lifeline = false;             // stdin belongs to the owner: its end cancels the run
  bool warm = false;                 // the box is made now, its job comes over stdin (warm_job.h)
};

// `arguments` without the program's name. Fails with one sentence for people.
Result<CommandLine> parse_command_line(const std::vector<std::string>& arguments);

std::string help_text();
std::string version_text();

}  // namespace milonga
