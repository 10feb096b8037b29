// autodriver's command line: what is accepted keeps to the table of limits, means
// the same when it is written out again, and becomes a request that the core takes.
//
// Input: one argument a line.
#include "autodriver/options.h"

#include <unistd.h>

#include <memory>

#include "autodriver/command_line.h"
#include "autodriver/core/request.h"
#include "autodriver/request_builder.h"
#include "tests/fuzz/fuzz.h"

namespace milonga {
namespace {

void check_limits(const Limits& limits) {
  for (const LimitRow& row : kLimits) {
    const std::uint64_t value = limits[row.id];
    fuzz::hold(value <= row.maximum && (value == 0 || value >= row.minimum), row.name);
  }
}

void check_round_trip(const BoxOptions& box) {
  const auto values = box_option_map(box);
  const Result<BoxOptions> again = box_options_from(values);
  fuzz::hold(again.has_value(), "options as a queued job keeps them are accepted");
  fuzz::hold(box_option_map(*again) == values, "options mean the same in a queued job");
  std::vector<std::string> arguments = autodriver_arguments(box);
  arguments.emplace_back("directory");
  const Result<CommandLine> line = parse_command_line(arguments);
  fuzz::hold(line.has_value(), "options as arguments are accepted");
  fuzz::hold(box_option_map(line->box) == values, "options mean the same as arguments");
}

void check_request_of(const CommandLine& line) {
  const std::vector<std::string> command =
      line.command.empty() ? std::vector<std::string>{"make"} : line.command;
  const Result<UniqueFd> memfd = build_run_request({line.box, "work", command, false, false, false});
  if (!memfd) return;  // too long: said so
  const auto request = std::make_unique<Request>();
  fuzz::hold(
      ::pread(memfd->get(), request.get(), sizeof *request, 0) == static_cast<ssize_t>(sizeof *request),
      "the request is whole");
  const core::Fail fail = core::check_request(*request);
  fuzz::hold(!fail, fail ? fail.what : "");
}

}  // namespace
}  // namespace milonga

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace milonga;
  std::vector<std::string> arguments;
  // An argument of a program has no NUL.
  for (std::string_view rest = fuzz::text_of(data, size); !rest.empty();)
    arguments.emplace_back(std::string(fuzz::take_line(rest)).c_str());
  const Result<CommandLine> line = parse_command_line(arguments);
  if (!line) {
    fuzz::hold(!line.error().line().empty(), "a mistake is named");
    return 0;
  }
  if (line->action != CommandLine::Action::run) return 0;
  check_limits(line->box.limits);
  check_round_trip(line->box);
  check_request_of(*line);
  return 0;
}
