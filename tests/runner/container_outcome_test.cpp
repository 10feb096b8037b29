// What is made of a container's end: only what autodriver said over its own
// descriptor, or what the Engine says, decides.
#include "runner/vmm/container_outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "autodriver/report.h"
#include "tests/autodriver/schema.h"

namespace milonga::runner {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

std::string report(Verdict verdict, std::uint64_t kept = 0) {
  Outcome outcome;
  outcome.response.verdict = verdict;
  outcome.output_bytes = outcome.output_kept_bytes = kept;
  outcome.error = verdict == Verdict::internal_error ? "the core is gone" : "";
  return report_json(outcome);
}

ContainerEnd ended(const std::string& errors, int exit_code = 0) {
  ContainerEnd end;
  end.errors = errors;
  end.engine = "Docker 0";
  end.bounds = bounds_of(end.box, 1.5);
  end.state.exit_code = exit_code;
  end.state.memory = end.state.memory_and_swap = end.bounds.memory;
  end.state.processes = static_cast<std::int64_t>(end.bounds.processes);
  end.state.nano_cpus = 1'500'000'000;
  end.state.capabilities = {"KILL"};
  return end;
}

Verdict verdict_of(const Result<RunOutcome>& outcome) {
  if (!outcome) return Verdict::internal_error;
  const json::value schema = testing::report_schema();
  EXPECT_EQ(testing::schema_error(schema, schema, json::parse(outcome->report_json), "report"), "");
  const auto view = parse_report(outcome->report_json);
  return view ? view->verdict : Verdict::internal_error;
}

TEST(ContainerOutcome, IsTheReportWithWhatTheEngineSays) {
  const auto outcome = container_outcome(ended("autodriver: some word\n" + report(Verdict::ok)));
  EXPECT_EQ(verdict_of(outcome), Verdict::ok);
  const json::value container = json::parse(outcome->report_json).at("container");
  EXPECT_EQ(container.at("cpus"), 1.5);
  EXPECT_EQ(container.at("capabilities"), json::array{"KILL"});
}

TEST(ContainerOutcome, OutOfMemoryIsTheJobsDoing) {
  for (const Verdict verdict : {Verdict::failed, Verdict::signaled, Verdict::internal_error}) {
    ContainerEnd end = ended(report(verdict));
    end.state.oom_killed = true;
    EXPECT_EQ(verdict_of(container_outcome(end)), Verdict::memory_limit) << verdict_name(verdict);
  }
  for (const Verdict verdict : {Verdict::ok, Verdict::wall_limit}) {
    ContainerEnd end = ended(report(verdict));
    end.state.oom_killed = true;
    EXPECT_EQ(verdict_of(container_outcome(end)), verdict) << verdict_name(verdict);
  }
}

TEST(ContainerOutcome, OutOfMemoryWithAutodriverHasEvidence) {
  ContainerEnd end = ended("", 137);
  end.state.oom_killed = true;
  const auto outcome = container_outcome(end);
  ASSERT_EQ(verdict_of(outcome), Verdict::memory_limit);
  const json::value said = json::parse(outcome->report_json);
  EXPECT_EQ(said.at("container").at("oom_killed"), true);
  EXPECT_EQ(said.at("demands").at("memory").at("hit"), true);
  EXPECT_EQ(said.at("demands").at("memory").at("read_back"), end.state.memory);
  EXPECT_EQ(said.at("cpu_s"), nullptr);
  EXPECT_EQ(outcome->autodriver_status, 0);
}

TEST(ContainerOutcome, AKilledContainerIsNotJudged) {
  const auto killed = container_outcome(ended("", 137));
  ASSERT_FALSE(killed);
  EXPECT_THAT(killed.error().line(), HasSubstr("killed from outside"));
  EXPECT_FALSE(container_outcome(ended(report(Verdict::cancelled), 3)));
  EXPECT_FALSE(container_outcome(ended(report(Verdict::internal_error), 3)));
  EXPECT_FALSE(container_outcome(ended("", 0)));
  const std::string whole = report(Verdict::ok);
  EXPECT_FALSE(container_outcome(ended(whole.substr(0, whole.size() / 2), 0)));
}

TEST(ContainerOutcome, OutputThatDidNotArriveIsNotJudged) {
  ContainerEnd end = ended(report(Verdict::ok, 100));
  end.output_bytes = 99;
  ASSERT_FALSE(container_outcome(end));
  end.output_bytes = 100;
  EXPECT_EQ(verdict_of(container_outcome(end)), Verdict::ok);
}

TEST(ContainerOutcome, ALimitThatWasNotSetIsNoted) {
  for (int limit = 0; limit < 4; ++limit) {
    ContainerEnd end = ended(report(Verdict::ok));
    if (limit == 0) end.state.memory = 0;
    if (limit == 1) end.state.memory_and_swap *= 2;
    if (limit == 2) end.state.processes = 0;
    if (limit == 3) end.state.nano_cpus = 0;
    EXPECT_FALSE(container_outcome(end)) << limit;
  }
}

TEST(ContainerOutcome, WhatAutodriverDoesNotKnowIsARefusal) {
  const auto outcome = container_outcome(ended("autodriver: no option '--colour'\n", 1));
  ASSERT_EQ(verdict_of(outcome), Verdict::refused);
  EXPECT_THAT(parse_report(outcome->report_json)->error, HasSubstr("--colour"));
}

TEST(FindReport, IsTheLastWholeLineThatBeginsAsOne) {
  EXPECT_EQ(find_report("{\"schema\":1}\n{\"schema\":2}\nx\n"), "{\"schema\":2}");
  EXPECT_EQ(find_report("{\"schema\":1}\nsaid {\"schema\":2}\n"), "{\"schema\":1}");
  EXPECT_EQ(find_report("{\"schema\":1}"), "");
  EXPECT_EQ(find_report("said {\"schema\":2}\n"), "");
  EXPECT_EQ(find_report(""), "");
}

}  // namespace
}  // namespace milonga::runner
