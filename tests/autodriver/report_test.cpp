#include "autodriver/report.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json/parse.hpp>
#include <cstdio>

#include "autodriver/tango_face.h"
#include "tests/autodriver/schema.h"

namespace milonga {
namespace {

namespace json = boost::json;

Evidence& row(Outcome& o, Demand d) {
  return o.response.evidence[static_cast<std::size_t>(d)];
}

// A run that used and knew everything.
Outcome full_run(Verdict verdict, int wait_status) {
  Outcome o;
  Response& r = o.response;
  r.verdict = verdict;
  r.wait_status = wait_status;
  r.wait_status_known = 1;
  r.began_ns = 1'000'000'000;
  r.started_ns = 1'500'000'000;
  r.ended_ns = 3'000'000'000;
  r.dead_ns = 3'250'000'000;
  r.usage = {.cpu_ns = 700'000'000,
             .cpu_user_ns = 500'000'000,
             .cpu_system_ns = 200'000'000,
             .memory_peak_bytes = 4096,
             .kernel_peak_bytes = 512,
             .oom_kills = 1,
             .at_limit = {1024, 1024, 1024, 512},
             .processes_peak = 9,
             .forks_refused = 2,
             .disk_bytes = 8192,
             .inodes = 5};
  r.step_ns[0] = 1500;
  o.limits = default_limits();
  o.limits[LimitId::wall] = 2'500'000'000;
  for (std::size_t i = 0; i < kDemandCount; ++i) {
    r.evidence[i] = {Mechanism::timerfd, Rung::exact, 7, 0, 100, 90, 80};
  }
  row(o, Demand::wall) = {Mechanism::timerfd, Rung::exact, 5, 1, 2'500'000'000, 0, 1'500'000'000};
  o.output_bytes = 10;
  o.output_kept_bytes = 10;
  return o;
}

json::value checked(const Outcome& outcome) {
  const json::value report = json::parse(report_json(outcome));
  const json::value schema = testing::report_schema();
  EXPECT_EQ(testing::schema_error(schema, schema, report, "report"), "");
  return report;
}

TEST(Report, KeepsToItsSchemaForEveryVerdict) {
  for (std::size_t i = 0; i < kVerdictCount; ++i) {
    const json::value report = checked(full_run(static_cast<Verdict>(i), 0));
    EXPECT_EQ(report.at("verdict").as_string(), kVerdictNames[i]);
  }
}

TEST(Report, TheSchemaCheckSeesAFieldThatIsWrongMissingOrTooMuch) {
  const json::value schema = testing::report_schema();
  const json::value good = checked(full_run(Verdict::ok, 0));
  json::value bad = good;
  bad.as_object()["verdict"] = "fine";
  EXPECT_NE(testing::schema_error(schema, schema, bad, "report"), "");
  bad = good;
  bad.as_object().erase("stopped_by");
  EXPECT_NE(testing::schema_error(schema, schema, bad, "report"), "");
  bad = good;
  bad.at("demands").at("wall").as_object()["more"] = 1;
  EXPECT_NE(testing::schema_error(schema, schema, bad, "report"), "");
}

TEST(Report, WhatIsUnknownIsNullAndNotZero) {
  Outcome o;
  o.response.verdict = Verdict::refused;
  const json::value report = checked(o);
  for (const char* name : {"exit_code", "signal", "stopped_by", "wall_s", "cpu_s", "cpu_user_s",
                           "cpu_system_s", "memory_peak_bytes", "oom_kills", "processes_peak",
                           "forks_refused", "disk_bytes", "inodes", "privilege", "namespaces", "box", "selftest"}) {
    EXPECT_TRUE(report.at(name).is_null()) << name;
  }
  for (const auto& [name, value] : report.at("times_s").as_object()) EXPECT_TRUE(value.is_null()) << name;
  for (const auto& [demand, value] : report.at("demands").as_object()) {
    for (const char* name : {"requested", "effective", "read_back"}) {
      EXPECT_TRUE(value.at(name).is_null()) << demand << "." << name;
    }
  }
}

TEST(Report, APartOfTheMemoryThatTheKernelDoesNotTellIsNull) {
  Outcome o = full_run(Verdict::memory_limit, 0);
  o.response.usage.at_limit = MemorySplit{.anon = 4096};
  EXPECT_TRUE(checked(o).at("memory").at("at_limit").at("file_bytes").is_null());
}

TEST(Report, TimesAreSecondsSinceTheCoreBegan) {
  const json::value report = checked(full_run(Verdict::ok, 0));
  EXPECT_DOUBLE_EQ(report.at("times_s").at("started").as_double(), 0.5);
  EXPECT_DOUBLE_EQ(report.at("times_s").at("dead_at").as_double(), 2.25);
  EXPECT_DOUBLE_EQ(report.at("demands").at("wall").at("requested").as_double(), 2.5);
  EXPECT_DOUBLE_EQ(report.at("cpu_s").as_double(), 0.7);
}

TEST(Report, NamesTheSignalOrTheExitCodeNeverBoth) {
  const json::value killed = checked(full_run(Verdict::signaled, SIGSEGV));
  EXPECT_EQ(killed.at("signal").as_string(), "SIGSEGV");
  EXPECT_TRUE(killed.at("exit_code").is_null());
  const json::value exited = checked(full_run(Verdict::failed, 3 << 8));
  EXPECT_EQ(exited.at("exit_code").as_int64(), 3);
  EXPECT_TRUE(exited.at("signal").is_null());
}

TEST(Report, NamesTheMechanismThatStoppedTheRun) {
  Outcome o = full_run(Verdict::disk_limit, 1 << 8);
  row(o, Demand::inodes).mechanism = Mechanism::tmpfs_inodes;
  row(o, Demand::inodes).hit = 1;
  EXPECT_EQ(checked(o).at("stopped_by").as_string(), "tmpfs nr_inodes");
  row(o, Demand::disk).mechanism = Mechanism::tmpfs_size;
  row(o, Demand::disk).hit = 1;
  EXPECT_EQ(checked(o).at("stopped_by").as_string(), "tmpfs size");
}

TEST(Report, OutputIsTheFrontsOwnLimit) {
  Outcome o = full_run(Verdict::ok, 0);
  o.output_bytes = 5000;
  o.output_kept_bytes = 1000;
  const json::value report = checked(o);
  EXPECT_EQ(report.at("demands").at("output").at("counter").as_int64(), 5000);
  EXPECT_TRUE(report.at("demands").at("output").at("hit").as_bool());
}

TEST(Report, ARefusalHasItsStepItsReasonAndErrno) {
  Outcome o;
  o.response.verdict = Verdict::refused;
  o.response.failed_step = Step::cgroup;
  o.response.failed_errno = 13;
  std::snprintf(o.response.failed_what, sizeof o.response.failed_what, "cannot set the memory limit");
  const json::value error = checked(o).at("error");
  EXPECT_EQ(error.at("step").as_string(), "cgroup");
  EXPECT_EQ(error.at("what").as_string(), "cannot set the memory limit: Permission denied");
  EXPECT_EQ(error.at("errno").as_int64(), 13);
}

TEST(Report, TheViewOfTheJsonIsTheViewOfTheRun) {
  for (std::size_t i = 0; i < kVerdictCount; ++i) {
    Outcome o = full_run(static_cast<Verdict>(i), i % 2 == 0 ? 0 : SIGKILL);
    const ReportView direct = view_of(o);
    const auto read = parse_report(report_json(o));
    ASSERT_TRUE(read) << read.error().line();
    EXPECT_EQ(read->verdict, direct.verdict);
    EXPECT_EQ(read->exit_code, direct.exit_code);
    EXPECT_EQ(read->signal, direct.signal);
    EXPECT_EQ(read->error, direct.error);
    EXPECT_EQ(read->stopped_by, direct.stopped_by);
    EXPECT_EQ(read->wall_s, direct.wall_s);
    EXPECT_EQ(read->cpu_s, direct.cpu_s);
    EXPECT_EQ(read->memory_peak_bytes, direct.memory_peak_bytes);
    EXPECT_EQ(read->output_bytes, direct.output_bytes);
    EXPECT_EQ(read->limits[LimitId::wall], 2'500'000'000u);
  }
}

TEST(ReportView, SaysWhichFieldIsWrong) {
  const std::string good = report_json(full_run(Verdict::ok, 0));
  const auto error_with = [&](const char* from, const char* to) {
    std::string text = good;
    text.replace(text.find(from), std::string(from).size(), to);
    const auto view = parse_report(text);
    return view ? std::string() : view.error().line();
  };
  EXPECT_NE(error_with("\"ok\"", "\"fine\"").find("'verdict'"), std::string::npos);
  EXPECT_NE(error_with("\"schema\":1", "\"schema\":2").find("'schema'"), std::string::npos);
  EXPECT_NE(error_with("\"oom_kills\":1", "\"oom_kills\":\"1\"").find("'oom_kills'"), std::string::npos);
  EXPECT_NE(error_with("\"inodes\":5", "\"inodes\":-5").find("'inodes'"), std::string::npos);
  EXPECT_NE(error_with("\"demands\":", "\"demand\":").find("'demands'"), std::string::npos);
  EXPECT_FALSE(parse_report("{"));
  EXPECT_FALSE(parse_report("[]"));
  EXPECT_FALSE(parse_report(""));
}

TEST(TangoFace, SpeaksTangosSentencesAndOurs) {
  const auto headline = [](Verdict verdict, int wait_status) {
    return tango_headline(view_of(full_run(verdict, wait_status)));
  };
  EXPECT_EQ(headline(Verdict::ok, 0), "Autodriver: Job exited with status 0");
  EXPECT_EQ(headline(Verdict::failed, 2 << 8), "Autodriver: Job exited with status 2");
  EXPECT_EQ(headline(Verdict::wall_limit, 0), "Autodriver: Job timed out after 2.5 seconds");
  EXPECT_EQ(headline(Verdict::signaled, SIGSEGV), "Autodriver: Job was killed by SIGSEGV");
  EXPECT_EQ(headline(Verdict::memory_limit, 0), "Autodriver: Job exceeded its memory limit of 2G");
}

TEST(TangoFace, HasTangosExitCodes) {
  EXPECT_EQ(tango_exit_code(Verdict::ok), 0);
  EXPECT_EQ(tango_exit_code(Verdict::failed), 0);
  EXPECT_EQ(tango_exit_code(Verdict::memory_limit), 0);
  EXPECT_EQ(tango_exit_code(Verdict::wall_limit), 2);
  EXPECT_EQ(tango_exit_code(Verdict::refused), 3);
  EXPECT_EQ(tango_exit_code(Verdict::cancelled), 3);
}

}  // namespace
}  // namespace milonga
