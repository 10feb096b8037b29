#include "autodriver/options.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "autodriver/command_line.h"
#include "autodriver/audit.h"
#include "autodriver/learn.h"
#include "autodriver/selftest.h"
#include "base/size.h"

namespace milonga {
namespace {

using Words = std::vector<std::string>;

CommandLine parsed(const Words& words) {
  auto line = parse_command_line(words);
  EXPECT_TRUE(line) << (line ? "" : line.error().line());
  return line ? *line : CommandLine{};
}

std::string refusal(const Words& words) {
  const auto line = parse_command_line(words);
  EXPECT_FALSE(line) << "was accepted";
  return line ? "" : line.error().line();
}

TEST(CommandLine, TakesTangosFourOptionsInEachSpelling) {
  for (const Words& words :
       {Words{"-u", "100", "-f", "4096", "-t", "7", "-o", "1000", "lab"},
        Words{"-u100", "-f4096", "-t7", "-o1000", "lab"},
        Words{"--nproc=100", "--fsize=4096", "--timeout=7", "--osize=1000", "lab"},
        Words{"--nproc", "100", "--fsize", "4096", "--timeout", "7", "--osize", "1000", "lab"},
        Words{"lab", "-u", "0x64", "-f", "010000", "-t", " +7", "-o", "1000"},
        Words{"--pids=100", "--file-size=4K", "--wall-time=7.0", "--output=1000", "lab"}}) {
    const CommandLine line = parsed(words);
    EXPECT_EQ(line.box.limits[LimitId::processes], 100u);
    EXPECT_EQ(line.box.limits[LimitId::file_size], 4096u);
    EXPECT_EQ(line.box.limits[LimitId::wall], 7 * kSecond);
    EXPECT_EQ(line.box.limits[LimitId::output], 1000u);
    EXPECT_EQ(line.directory, "lab");
  }
}

TEST(CommandLine, AnEmptyNumberIsZeroWhichIsNoLimit) {
  const CommandLine line = parsed({"-t", "", "--fsize=", "-u", "0", "lab"});
  EXPECT_EQ(line.box.limits[LimitId::wall], 0u);
  EXPECT_EQ(line.box.limits[LimitId::file_size], 0u);
  // A box cannot be without this one.
  EXPECT_EQ(line.box.limits[LimitId::processes], limit_row(LimitId::processes).maximum);
}

TEST(CommandLine, DefaultsAreThoseOfTheTable) {
  const CommandLine line = parsed({"lab"});
  for (const LimitRow& row : kLimits) EXPECT_EQ(line.box.limits[row.id], row.default_value) << row.name;
  EXPECT_EQ(line.box.network, Network::loopback);
  EXPECT_EQ(line.box.image, "default");
}

TEST(CommandLine, ABadTangoNumberIsSaidInTangosWords) {
  EXPECT_EQ(refusal({"-u", "x", "lab"}), "The argument to nproc must be a nonnegative integer");
  EXPECT_EQ(refusal({"--fsize=1x", "lab"}), "The argument to fsize must be a nonnegative integer");
  EXPECT_EQ(refusal({"-t", "-5", "lab"}), "The argument to timeout must be a nonnegative integer");
  EXPECT_EQ(refusal({"-o", "99999999999999999999", "lab"}),
            "The argument to osize must be a nonnegative integer");
}

struct BadLine {
  Words words;
  const char* said;  // must be part of the message
};

TEST(CommandLine, EachMistakeIsOneLineThatSaysWhatWhereAndHowToFixIt) {
  const BadLine rows[] = {
      {{}, "Too few arguments (name the job's DIRECTORY"},
      {{"a", "b"}, "Too many arguments"},
      {{""}, "the name of the directory is empty"},
      {{"--memroy=1M", "lab"}, "no option '--memroy' (did you mean '--memory'?)"},
      {{"--xyzzyplugh", "lab"}, "no option '--xyzzyplugh' (see autodriver --help)"},
      {{"-Q", "lab"}, "no option '-Q'"},
      {{"--memory=1K", "lab"}, "--memory: 1K is out of range (from 4M to 1024G"},
      {{"--memory=12Q", "lab"}, "--memory: '12Q' is not a size (write bytes, or a number with K, M or G)"},
      {{"--wall-time=0.0001", "lab"}, "--wall-time: 0.0001 is out of range (from 0.001 to 604800 seconds"},
      {{"--pids=1", "lab"}, "--pids: 1 is out of range (from 2 to 1000000"},
      {{"--network=loop", "lab"}, "--network: no network 'loop' (one of: none, loopback, host)"},
      {{"--network=allow=10.0.0.0/8", "lab"}, "--network: this version cannot allow single networks (none, loopback or host)"},
      {{"--require=memry>=exact", "lab"}, "no demand 'memry' (did you mean 'memory'?)"},
      {{"--require=memory>=exakt", "lab"}, "no rung 'exakt' (did you mean 'exact'?)"},
      {{"--require=memory", "lab"}, "'memory' is not DEMAND>=RUNG (for example memory>=exact;"},
      {{"--command"}, "--command: there is no command"},
      {{"--command", "--"}, "--command: there is no command"},
      {{"--report=", "lab"}, "--report: the file's name is empty"},
      {{"--memory"}, "--memory"},
      {{"--stream=yes", "lab"}, "--stream"},
  };
  for (const BadLine& row : rows) {
    const std::string said = refusal(row.words);
    EXPECT_NE(said.find(row.said), std::string::npos) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  }
}

TEST(CommandLine, WhatFollowsTwoDashesIsTheCommandOrTheDirectory) {
  const CommandLine command = parsed({"--stream", "--command", "--", "python3", "-u", "x.py", "--", "-t"});
  EXPECT_EQ(command.command, (Words{"python3", "-u", "x.py", "--", "-t"}));
  EXPECT_EQ(command.directory, "");
  EXPECT_TRUE(command.stream);
  EXPECT_EQ(parsed({"lab", "--command", "--", "true"}).directory, "lab");
  EXPECT_EQ(parsed({"--", "-lab"}).directory, "-lab");
}

TEST(CommandLine, GcAloneIsTheCollector) {
  EXPECT_EQ(parsed({"gc"}).action, CommandLine::Action::collect);
  EXPECT_EQ(parsed({"./gc"}).action, CommandLine::Action::run);
}

TEST(CommandLine, HelpNamesEachOptionOfTheTable) {
  EXPECT_EQ(parsed({"--help"}).action, CommandLine::Action::help);
  const std::string help = help_text();
  for (const LimitRow& row : kLimits) {
    EXPECT_NE(help.find(std::string("--") + row.option), std::string::npos) << row.option;
  }
}

// "--memory" of each "--memory" that a text has, in bold or not.
std::set<std::string> long_options_in(const std::string& text) {
  std::set<std::string> found;
  for (std::size_t at = 0; (at = text.find("--", at)) != std::string::npos;) {
    const std::size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at);
    if (end > at + 3) found.insert(text.substr(at, end - at));
    at = std::max(end, at + 2);
  }
  return found;
}

TEST(ManPage, NamesTheOptionsOfTheProgramAndNoOthers) {
  std::ifstream file(MILONGA_SOURCE_DIR "/docs/man/autodriver.1.scd");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const std::size_t of_a_run = page.find("\n# OPTIONS");
  const std::set<std::string> documented = long_options_in(page.substr(of_a_run));
  const std::set<std::string> known = long_options_in(help_text());
  EXPECT_GT(known.size(), kLimitCount);
  for (const std::string& name : documented) {
    const auto line = parse_command_line({name});
    EXPECT_TRUE(line || line.error().line().find("no option") == std::string::npos)
        << name << " is no option";
  }
  for (const std::string& name : known)
    EXPECT_TRUE(documented.contains(name)) << name << " is not in the page";
  const std::set<std::string> before = long_options_in(page.substr(0, of_a_run));
  for (const std::string& name : long_options_in(selftest_help() + learn_help() + audit_help()))
    EXPECT_TRUE(before.contains(name) || name == "--help") << name << " is not in the page";
}

TEST(ManPage, NamesTheDefaultOfEachLimit) {
  std::ifstream file(MILONGA_SOURCE_DIR "/docs/man/autodriver.1.scd");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  for (const LimitRow& row : kLimits) {
    const std::size_t at = page.find(std::string("*--") + row.option + "*");
    ASSERT_NE(at, std::string::npos) << row.option;
    const std::string entry = page.substr(at, page.find("\n\n", at) - at);
    const std::string value =
        row.unit == LimitUnit::bytes ? print_size(row.default_value) : std::to_string(row.default_value);
    const std::string said = "Default: " + (row.default_value == 0 ? "no limit" : value) + ".";
    EXPECT_NE(entry.find(said), std::string::npos) << row.option << ": " << said;
  }
}

TEST(BoxOptions, SurviveTheWayThroughAJobAndThroughACommandLine) {
  const CommandLine line =
      parsed({"--memory=64M", "-t", "1.5", "--pids-fatal", "--output-fatal", "--network=host", "--image=gcc",
              "--profile=strict", "--require", "memory>=exact", "--require=kill>=strong,swap>=none", "lab"});
  const auto values = box_option_map(line.box);
  EXPECT_EQ(values,
            (std::map<std::string, std::string>{{"memory", "64M"},
                                                {"wall-time", "1.5"},
                                                {"pids-fatal", "yes"},
                                                {"output-fatal", "yes"},
                                                {"network", "host"},
                                                {"image", "gcc"},
                                                {"profile", "strict"},
                                                {"require", "memory>=exact,kill>=strong,swap>=none"}}));
  const auto again = box_options_from(values);
  ASSERT_TRUE(again);
  EXPECT_EQ(box_option_map(*again), values);

  Words arguments = autodriver_arguments(line.box);
  arguments.push_back("lab");
  EXPECT_EQ(box_option_map(parsed(arguments).box), values);
  EXPECT_TRUE(autodriver_arguments(BoxOptions{}).empty());
}

TEST(BoxOptions, OfAJobAreCheckedLikeThoseOfACommandLine) {
  const auto unknown = box_options_from({{"memroy", "1M"}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().line(), "no option 'memroy' (did you mean 'memory'?)");
  EXPECT_FALSE(box_options_from({{"memory", "1K"}}));
  EXPECT_FALSE(box_options_from({{"report", "/tmp/x"}}));
}

TEST(BoxOptions, AProfileIsOneOfTheTable) {
  EXPECT_EQ(BoxOptions{}.profile, ProfileId::course);
  EXPECT_EQ(box_options_from({{"profile", "debugger"}})->profile, ProfileId::debugger);
  const auto unknown = box_options_from({{"profile", "stict"}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().line(), "--profile: no profile 'stict' (did you mean 'strict'?)");
}

TEST(BoxOptions, DemandStrongRungsUnlessToldOtherwise) {
  BoxOptions options;
  EXPECT_EQ(required_rung(options, Demand::memory), Rung::strong);
  EXPECT_EQ(required_rung(options, Demand::network), Rung::strong);
  EXPECT_EQ(required_rung(options, Demand::cpu), Rung::none) << "no CPU limit was asked for";
  ASSERT_TRUE(set_box_option(options, "cpu-time", "1"));
  EXPECT_EQ(required_rung(options, Demand::cpu), Rung::strong);
  ASSERT_TRUE(set_box_option(options, "network", "host"));
  EXPECT_EQ(required_rung(options, Demand::network), Rung::none);
  ASSERT_TRUE(set_box_option(options, "require", "memory>=none"));
  EXPECT_EQ(required_rung(options, Demand::memory), Rung::none);
}

}  // namespace
}  // namespace milonga
