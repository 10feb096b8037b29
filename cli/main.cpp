// milonga: the command for people. Runs one job here, or hands jobs to the
// queue and looks at them.
//
// Exit status: command.h.
//
// Privilege: none (the caller's).
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/nearest.h"
#include "cli/command.h"

namespace milonga::cli {
namespace {

constexpr Option kRunOptions[] = {
    {"report", "FILE", "write the report (JSON) to FILE"},
};
constexpr Option kSubmitOptions[] = {
    {"wait", nullptr, "show the progress, then the feedback; exit as run does"},
    {"name", "NAME", "what lists show; default: the directory's name"},
    {"lane", "LANE", "jobs of different lanes take turns: one lane per lab; default: default"},
    {"bulk", nullptr, "run only when no interactive job waits (regrading)"},
    {"publish", "FILE", "the runner also writes the feedback to FILE"},
    {"callback", "URL", "the runner also posts the feedback to URL"},
};
constexpr Option kLogsOptions[] = {
    {"follow,f", nullptr, "go on until the job is done"},
};
constexpr Option kListOptions[] = {
    {"limit", "N", "only N jobs: all that wait or run, then the newest; default: 20, 0: all"},
};

constexpr Option kRetryOptions[] = {
    {"all", nullptr, "all that were given up"},
};
constexpr Option kImportOptions[] = {
    {"name", "NAME", "what jobs call it; default: its own name, or the file's"},
    {"ref", "NAME:TAG", "which one, of an archive that holds several"},
    {"skip-devices", nullptr, "leave out device nodes, pipes and sockets; else they are refused"},
    {"max-size", "SIZE", "of all files together; default: 8G"},
    {"max-entries", "N", "files, directories and links; default: 500000"},
    {"max-ratio", "N", "bytes unpacked for each byte of it; default: 200, 0: any"},
    {"store", "DIR", "the image store; default: /var/lib/milonga/images"},
};
constexpr Option kPullOptions[] = {
    {"name", "NAME", "what jobs call it; default: the last part of its reference"},
    {"skip-devices", nullptr, "leave out device nodes, pipes and sockets; else they are refused"},
    {"max-size", "SIZE", "of all files together; default: 8G"},
    {"max-entries", "N", "files, directories and links; default: 500000"},
    {"max-ratio", "N", "bytes unpacked for each byte of it; default: 200, 0: any"},
    {"store", "DIR", "the image store; default: /var/lib/milonga/images"},
};
constexpr Option kStoreOptions[] = {
    {"store", "DIR", "the image store; default: /var/lib/milonga/images"},
};

constexpr Command kCommands[] = {
    {"run", "DIRECTORY", "run one job here and now, without the queue", 0, 1, true, kRunOptions, run},
    {"submit", "DIRECTORY", "hand a job to the queue; prints its number", 1, 1, true, kSubmitOptions, submit},
    {"status", "[ID]", "what is known of one job; without ID: of the queue", 0, 1, false, {}, status},
    {"watch", "[ID]", "follow a job until it is done; without ID: all of the queue", 0, 1, false, {}, watch},
    {"logs", "ID", "print the feedback of a job, or what it wrote so far", 1, 1, false, kLogsOptions, logs},
    {"cancel", "ID", "take a job back: remove it from the queue, or kill it", 1, 1, false, {}, cancel},
    {"list", "", "the jobs of the queue, newest last", 0, 0, false, kListOptions, list},
    {"callbacks list", "", "callbacks that are owed or were given up", 0, 0, false, {}, callbacks_list},
    {"callbacks retry", "[ID...]", "send callbacks again", 0, 1000, false, kRetryOptions, callbacks_retry},
    {"doctor", "", "what this host can enforce, and how to get more", 0, 0, false, {}, doctor},
    {"image import", "FILE|DIR", "make an image: docker save, OCI, a tar, a directory", 1, 1, false,
     kImportOptions, image_import},
    {"image pull", "REFERENCE", "the same, from a registry (by skopeo)", 1, 1, false, kPullOptions, image_pull},
    {"image list", "", "the images of this host", 0, 0, false, kStoreOptions, image_list},
    {"image inspect", "NAME", "what is known of an image", 1, 1, false, kStoreOptions, image_inspect},
    {"image verify", "[NAME]", "read all of it, and tell what has changed", 0, 1, false, kStoreOptions,
     image_verify},
    {"image rm", "NAME", "remove an image", 1, 1, false, kStoreOptions, image_rm},
    {"image gc", "", "remove what has no name, and what broken imports left", 0, 0, false, kStoreOptions,
     image_gc},
};

std::string help_text() {
  std::string text =
      "Usage: milonga [--spool DIR] [--json] COMMAND [ARGUMENT...]\n"
      "Runs jobs of a course autograder in boxes: fresh sandboxes with limits.\n\n";
  for (const Command& command : kCommands) {
    std::string line = std::string("  ") + command.name + " " + command.words;
    line.resize(std::max<std::size_t>(line.size() + 1, 25), ' ');
    text += line + command.help + "\n";
  }
  return text +
         "\nmilonga COMMAND --help has the options of each. With every command:\n"
         "  --spool DIR       the queue's directory; default: $MILONGA_SPOOL or /var/spool/milonga\n"
         "  --json            for programs: JSON on standard output\n"
         "  --help, --version\n\n"
         "Exit status: 0 ok; 1 the job failed; 2 it hit a limit; 3 refused, or something here\n"
         "failed; 4 no such job; 5 cancelled; 64 wrong usage. More: man milonga\n";
}

// The first word that is neither an option nor the directory of --spool.
std::size_t find_command(const std::vector<std::string>& tokens) {
  std::size_t i = 0;
  while (i < tokens.size() && tokens[i].starts_with('-')) i += tokens[i] == "--spool" ? 2 : 1;
  return i;
}

int end(const Result<int>& done) {
  return done ? *done : complain(done.error().line(), kFailed);
}

int without_command(const std::vector<std::string>& tokens) {
  for (const std::string& token : tokens) {
    if (token == "--help" || token == "-h") return end(print(help_text()));
    if (token == "--version") return end(print("milonga " MILONGA_VERSION "\n"));
    static constexpr std::string_view kKnown[] = {"--spool", "--json", "--help", "--version"};
    const std::string name = token.substr(0, token.find('='));
    const bool known = std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown);
    if (!known && name.starts_with('-'))
      return complain("no option '" + name + "' (" + nearest_hint(name, kKnown) + ")", kUsage);
  }
  return complain("no command (see milonga --help)", kUsage);
}

// The second words of the commands whose first is `word`; empty: it is no such group.
std::string members_of(const std::string& word) {
  std::string members;
  for (const Command& command : kCommands) {
    const std::string_view name = command.name;
    if (name.starts_with(word + " "))
      members += (members.empty() ? "" : ", ") + std::string(name.substr(word.size() + 1));
  }
  return members;
}

int group_alone(const std::string& group, const std::vector<std::string>& tokens) {
  for (const std::string& token : tokens)
    if (token == "--help" || token == "-h") return end(print(help_text()));
  return complain(group + ": what about it? (one of: " + members_of(group) + ")", kUsage);
}

int unknown_command(const std::string& name) {
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  return complain("no command '" + name + "' (" + nearest_hint(name, names) + ")", kUsage);
}

// "image" and the next word are one command, as the table has it.
std::string take_command(std::vector<std::string>& tokens) {
  std::size_t at = find_command(tokens);
  std::string name;
  while (at < tokens.size()) {
    const std::string word = tokens[at];
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(at));
    name += (name.empty() ? "" : " ") + word;
    if (members_of(name).empty()) break;
    at = find_command(tokens);
  }
  return name;
}

int dispatch(std::vector<std::string> tokens) {
  const std::vector<std::string> all = tokens;
  const std::string name = take_command(tokens);
  if (name.empty()) return without_command(all);
  if (!members_of(name).empty()) return group_alone(name, tokens);
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    const Result<Arguments> arguments = parse_arguments(command, tokens);
    if (!arguments) return complain(name + ": " + arguments.error().line(), kUsage);
    return end(arguments->has("help") ? print(help_of(command)) : command.run(*arguments));
  }
  return unknown_command(name);
}

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

}  // namespace milonga::cli

int main(int argc, char** argv) {
  // A closed 0, 1 or 2 would be given to the next file that is opened, and a
  // message of ours would end up in the spool.
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
  ::signal(SIGPIPE, SIG_IGN);  // `milonga list | head`: an error of ours to report, not a death
  return milonga::cli::dispatch({argv + (argc > 0 ? 1 : 0), argv + argc});
}
