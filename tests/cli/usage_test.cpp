// What milonga says to wrong command lines, and that the manual page and the
// program have the same options.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "cli/command.h"
#include "tests/cli/program.h"

namespace milonga::test {
namespace {

struct Wrong {
  std::vector<std::string> words;
  std::string says;
};

TEST(Usage, EachMistakeIsOneLineThatNamesItAndExits64) {
  const Wrong mistakes[] = {
      {{}, "no command"},
      {{"lst"}, "did you mean 'list'?"},
      {{"--jsn"}, "did you mean '--json'?"},
      {{"run"}, "DIRECTORY is missing"},
      {{"run", "a", "b"}, "one argument too many: 'b'"},
      {{"run", "a", "--memory", "lots"}, "lots"},
      {{"run", "a", "--mem", "1G"}, "did you mean '--memory'?"},
      {{"run", "a", "--report", ""}, "--report is empty"},
      {{"run", "--command", "--"}, "there is no command"},
      {{"submit", "--wait"}, "DIRECTORY is missing"},
      {{"submit", "a", "--wiat"}, "did you mean '--wait'?"},
      {{"status", "1", "2"}, "one argument too many"},
      {{"watch", "1", "2"}, "one argument too many: '2'"},
      {{"logs", ""}, "empty argument"},
      {{"cancel"}, "ID is missing"},
      {{"list", "--limit", "few"}, "few"},
      {{"doctor", "me"}, "one argument too many: 'me' (usage: milonga doctor)"},
      {{"list", "--spool"}, "spool"},
      {{"image"}, "import, pull, list"},
      {{"callbacks"}, "one of: list, retry"},
      {{"callbacks", "retry"}, "name jobs, or give --all"},
      {{"callbacks", "retry", "1", "--all"}, "name jobs, or give --all"},
      {{"image", "imprt", "x"}, "did you mean 'image import'?"},
      {{"image", "import"}, "FILE|DIR is missing"},
      {{"image", "import", "x", "--max-size", "lots"}, "lots"},
      {{"image", "import", "x", "--name", "a/b"}, "'a/b' cannot be an image's name"},
      {{"image", "rm"}, "NAME is missing"},
  };
  for (const Wrong& mistake : mistakes) {
    const Said said = milonga(mistake.words);
    EXPECT_EQ(said.exit_status, cli::kUsage) << said.err;
    EXPECT_TRUE(said.one_line_of_error()) << said.err;
    EXPECT_NE(said.err.find(mistake.says), std::string::npos) << said.err;
  }
}

TEST(Usage, ASpoolThatIsNotThereIsOneLineThatSaysHowToGetOne) {
  const TemporaryDirectory temporary;
  for (const char* command : {"status", "list"}) {
    const Said said = milonga({"--spool", temporary / "none", command});
    EXPECT_EQ(said.exit_status, cli::kFailed);
    EXPECT_TRUE(said.one_line_of_error()) << said.err;
    EXPECT_NE(said.err.find("milongad --spool " + temporary / "none"), std::string::npos) << said.err;
  }
}

TEST(Usage, ADirectoryThatIsNoSpoolIsNotTakenForOne) {
  const TemporaryDirectory temporary;
  const Said said = milonga({"--spool", temporary / "", "list"});
  EXPECT_EQ(said.exit_status, cli::kFailed);
  EXPECT_TRUE(said.one_line_of_error()) << said.err;
}

TEST(Usage, HelpAndVersionAreNoErrorsButAFullStandardOutputIs) {
  const Said said = milonga({"--version"});
  EXPECT_EQ(said.exit_status, cli::kOk);
  EXPECT_TRUE(said.out.starts_with("milonga ")) << said.out;
  for (const char* words : {"--help", "--version", "list --help"}) {
    const TemporaryDirectory temporary;
    const std::string error = temporary / "error";
    EXPECT_EQ(WEXITSTATUS(std::system((std::string(MILONGA " ") + words + " >/dev/full 2>" + error).c_str())),
              cli::kFailed);
    EXPECT_TRUE(read(error).starts_with("milonga: cannot write to 'standard output': ")) << read(error);
  }
}

std::set<std::string> options_in(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), pattern), end; i != end; ++i) found.insert((*i)[1]);
  return found;
}

TEST(ManualPage, HasEachCommandAndOptionOfTheProgramAndNoOther) {
  const std::string page = read(MILONGA_SOURCE_DIR "/docs/man/milonga.1.scd");
  const auto in_page = options_in(page, std::regex(R"(\*(--[a-z][a-z-]*)\*)"));
  std::string help = milonga({"--help"}).out;
  const auto commands = options_in(help, std::regex(R"(\n  ((?:image |callbacks )?[a-z]+) )"));
  EXPECT_GE(commands.size(), 8u);
  EXPECT_EQ(options_in(page, std::regex(R"(\n\*((?:image |callbacks )?[a-z]+)\*[^\n]*\n\t)")), commands);
  for (const std::string& command : commands) {
    const std::size_t space = command.find(' ');
    std::vector<std::string> words{command.substr(0, space), "--help"};
    if (space != std::string::npos) words.insert(words.begin() + 1, command.substr(space + 1));
    const Said said = milonga(words);
    EXPECT_EQ(said.exit_status, cli::kOk);
    help += said.out;
  }
  auto in_program = options_in(help, std::regex(R"((--[a-z][a-z-]*))"));
  EXPECT_EQ(in_page, in_program);
}

TEST(ManualPage, HasEachExitStatus) {
  const std::string page = read(MILONGA_SOURCE_DIR "/docs/man/milonga.1.scd");
  for (int status :
       {cli::kOk, cli::kJobFailed, cli::kLimit, cli::kFailed, cli::kNoSuchJob, cli::kCancelled, cli::kUsage})
    EXPECT_NE(page.find("\n*" + std::to_string(status) + "*\n\t"), std::string::npos) << status;
}

}  // namespace
}  // namespace milonga::test
