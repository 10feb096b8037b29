// What every sub-command of milonga shares: its arguments and its exit codes.
//
// Privilege: none (the caller's).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autodriver/options.h"
#include "base/result.h"
#include "queue/queue.h"

namespace milonga::cli {

// The exit status of milonga; docs/man/milonga.1.scd has the same table.
enum Exit : int {
  kOk = 0,         // for `doctor`: everything is strong or exact
  kJobFailed = 1,  // failed, signaled; for `doctor`: something is weaker
  kLimit = 2,      // wall, cpu, memory, output, disk or process limit
  kFailed = 3,     // refused or internal error, or the spool cannot be used
  kNoSuchJob = 4,
  kCancelled = 5,
  kUsage = 64,
};

struct Option {
  const char* name;   // long name, then ",x" if it has a short one
  const char* value;  // what its value is called; null: it takes none
  const char* help;
};

// What stood on the command line behind the command's name.
struct Arguments {
  std::string spool;               // --spool, MILONGA_SPOOL or the default
  std::vector<std::string> words;  // DIRECTORY, ID
  std::map<std::string, std::string>
      values;  // options of this command by long name; "" for those without value
  BoxOptions box;
  std::vector<std::string> argv;  // behind "--", with --command

  [[nodiscard]] bool has(const char* option) const { return values.contains(option); }
  [[nodiscard]] std::string get(const char* option) const;  // "" if it was not given
  [[nodiscard]] bool json() const { return has("json"); }
};

struct Command {
  const char* name;   // one word, or two: "image import"
  const char* words;  // as in the usage line
  const char* help;   // one line
  std::size_t min_words, max_words;
  bool takes_box_options;  // then --command -- ARGV... as well
  std::span<const Option> options;
  Result<int> (*run)(const Arguments&);  // the exit status; an Error is kFailed
};

std::span<const Command> commands();

// The arguments of `command`. An Error is a mistake in usage.
Result<Arguments> parse_arguments(const Command& command, const std::vector<std::string>& tokens);
std::string help_of(const Command& command);

// One line on standard error; returns the exit status given.
int complain(const std::string& what, int exit_status);
// Writes to standard output; kFailed if it cannot be written (a full disk, a closed pipe).
Result<int> print(std::string_view text, int exit_status = kOk);

// The spool of --spool, or an error that says how to get one.
Result<std::unique_ptr<queue::Queue>> open_queue(const Arguments& arguments);
// Job number from a word of the command line; 0 if it is none (there is no job 0).
queue::JobId parse_id(const std::string& word);
int no_such_job(const Arguments& arguments, const std::string& word);

Result<int> run(const Arguments& arguments);
Result<int> submit(const Arguments& arguments);
Result<int> status(const Arguments& arguments);
Result<int> watch(const Arguments& arguments);
Result<int> logs(const Arguments& arguments);
Result<int> cancel(const Arguments& arguments);
Result<int> list(const Arguments& arguments);
Result<int> callbacks_list(const Arguments& arguments);
Result<int> callbacks_retry(const Arguments& arguments);
Result<int> doctor(const Arguments& arguments);
Result<int> image_import(const Arguments& arguments);
Result<int> image_pull(const Arguments& arguments);
Result<int> image_list(const Arguments& arguments);
Result<int> image_inspect(const Arguments& arguments);
Result<int> image_rm(const Arguments& arguments);
Result<int> image_gc(const Arguments& arguments);
Result<int> image_verify(const Arguments& arguments);

}  // namespace milonga::cli
