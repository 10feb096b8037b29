// Jobs as Autolab takes them apart: contract section 6.4.
#include "rest/job_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "rest/counters.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

queue::Status a_job(queue::State state) {
  queue::Status status;
  status.state = state;
  status.job.id = 12;
  status.job.name = "c_lab_1_ann|x@x.edu";
  status.job.image = "default";
  status.job.output = "/srv/labs/ab-lab/output/o.txt";
  status.job.options = {{"wall-time", "180"}, {"output", "1024000"}, {"memory", "512M"}};
  status.job.labels = {{"image", "rhel.img"}, {"file:Makefile", "autograde-Makefile"}};
  status.job.files = {{"Makefile", 0644, 1, std::string(64, 'a')}};
  status.job.created_ms = 1'795'413'903'000;  // Mon Nov 23 06:05:03 2026 UTC
  return status;
}

queue::Status done(queue::Outcome outcome, const std::string& reason, const std::string& timing) {
  queue::Status status = a_job(queue::State::done);
  status.attempt = 2;
  status.result.emplace();
  status.result->outcome = outcome;
  status.result->reason = reason;
  status.result->timing_json = timing;
  status.result->finished_ms = status.job.created_ms + 1000;
  return status;
}

TEST(JobRow, TypesAndKeysAreTangos) {
  const json::object row = job_row(a_job(queue::State::running), "courselabs/ab-lab/output/o.txt");
  EXPECT_EQ(row.at("id"), 12);
  EXPECT_EQ(row.at("assigned"), true);
  EXPECT_EQ(row.at("retries"), 0);
  EXPECT_EQ(row.at("timeout"), 180);
  EXPECT_EQ(row.at("maxOutputFileSize"), 1024000);
  EXPECT_TRUE(row.at("notifyURL").is_null());
  EXPECT_EQ(row.at("input"), (json::array{{{"destFile", "Makefile"}, {"localFile", "courselabs/ab-lab/autograde-Makefile"}}}));
  EXPECT_EQ(row.at("vm").at("image"), "rhel.img");
  EXPECT_EQ(row.at("vm").at("name"), "rhel");
  EXPECT_EQ(row.at("vm").at("memory"), 512);
  std::string keys;
  for (const auto& field : row.at("vm").as_object()) keys += std::string(field.key()) + " ";
  EXPECT_EQ(keys, "network resume image memory vmms cores disk id name ");
}

TEST(Trace, WaitingAndRunning) {
  EXPECT_EQ(trace_of(a_job(queue::State::waiting)),
            std::vector<std::string>{"Mon Nov 23 06:05:03 2026|Added job c_lab_1_ann/x@x.edu:12 to queue"});
  queue::Status running = a_job(queue::State::running);
  running.attempt = 2;
  EXPECT_EQ(trace_of(running).back(), "Mon Nov 23 06:05:03 2026|Dispatched job c_lab_1_ann/x@x.edu:12 [try 1]");
}

TEST(Trace, TheLastLineIsWhatBecameOfIt) {
  const std::string lines =
      R"({"trace":[{"at_ms":1795413903000,"text":"Assigned job n:12 new VM local-7-default"},)"
      R"({"at_ms":1795413904000,"text":"Success: Autodriver returned normally"}]})";
  const auto graded = trace_of(done(queue::Outcome::graded, "Success: Autodriver returned normally", lines));
  EXPECT_EQ(graded.back(), "Mon Nov 23 06:05:04 2026|Success: Autodriver returned normally");
  EXPECT_EQ(graded.size(), 3u);  // once
  const auto row = job_row(done(queue::Outcome::graded, "Success: Autodriver returned normally", lines), "o");
  EXPECT_EQ(row.at("vm").at("id"), 7);
  EXPECT_EQ(row.at("assigned"), false);
  EXPECT_EQ(row.at("retries"), 1);
}

TEST(Trace, ARecordThatCannotBeReadIsAnError) {
  queue::Status status = a_job(queue::State::done);
  status.record_error = "length or hash do not match";
  EXPECT_THAT(trace_of(status).back(), testing::HasSubstr("|Error: its record cannot be read: length or hash"));
}

// Autolab knows "Autodriver returned normally" and "Error", and calls anything else unknown.
TEST(Trace, EveryOtherEndIsAnError) {
  for (const auto& status : {done(queue::Outcome::cancelled, "cancelled by uid:0 while waiting", ""),
                             done(queue::Outcome::gave_up, "Error: copyIn: no|room\n", "not json"),
                             done(queue::Outcome::gave_up, "", R"({"trace":[1,{"at_ms":"x"}]})")}) {
    const auto trace = trace_of(status);
    const std::string text = trace.back().substr(trace.back().find('|') + 1);
    EXPECT_TRUE(text.starts_with("Error: ")) << text;
    EXPECT_EQ(text.find_first_of("|\n"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace milonga::rest
