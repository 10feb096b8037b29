// Bodies of addJob and prealloc.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "rest/job_request.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

json::object a_job() {
  return {{"image", "autograding_image"},
          {"files", json::array{{{"localFile", "a_1_hello.c"}, {"destFile", "hello.c"}},
                                {{"localFile", "autograde-Makefile"}, {"destFile", "Makefile"}}}},
          {"jobName", "c_lab_1_a@x.edu"},
          {"output_file", "a_1_lab_autograde.txt"},
          {"timeout", 180}};
}

Result<JobRequest> parse(const json::object& object) { return parse_job_request(json::serialize(object)); }

TEST(AddJob, WhatAutolabSends) {
  json::object object = a_job();
  object["callback_url"] = "https://h/courses/c/assessments/a/autograde_done?dave=X&submission_id=1";
  object["disable_network"] = true;
  const auto job = parse(object);
  ASSERT_TRUE(job) << job.error().line();
  EXPECT_EQ(job->name, "c_lab_1_a@x.edu");
  EXPECT_EQ(job->image, "autograding_image");
  EXPECT_EQ(job->timeout_s, 180);
  EXPECT_TRUE(job->disable_network);
  ASSERT_EQ(job->files.size(), 2u);
  EXPECT_EQ(job->files[0].local, "a_1_hello.c");
  EXPECT_EQ(job->files[1].dest, "Makefile");
}

// The message is Python's KeyError, and the first missing key the one that Tango names.
TEST(AddJob, AMissingKeyIsNamedAsTangoDoes) {
  for (const char* key : {"image", "files", "jobName", "output_file"}) {
    json::object object = a_job();
    object.erase(key);
    const auto job = parse(object);
    ASSERT_FALSE(job);
    EXPECT_EQ(job.error().what, "'" + std::string(key) + "'");
  }
  EXPECT_EQ(parse_job_request("{}").error().what, "'jobName'");
  json::object object = a_job();
  object["files"].as_array()[0].as_object().erase("destFile");
  EXPECT_EQ(parse(object).error().what, "'destFile'");
  object["files"].as_array()[0].as_object().erase("localFile");
  EXPECT_EQ(parse(object).error().what, "'localFile'");
}

TEST(AddJob, ATimeoutThatIsNoneIsTheDefault) {
  for (const json::value& none : {json::value(nullptr), json::value(0), json::value(-1), json::value(-0.5)}) {
    json::object object = a_job();
    object["timeout"] = none;
    const auto job = parse(object);
    ASSERT_TRUE(job);
    EXPECT_FALSE(job->timeout_s);
  }
  json::object object = a_job();
  object.erase("timeout");  // documented as optional
  EXPECT_FALSE(parse(object)->timeout_s);
  object["timeout"] = 1e300;
  EXPECT_EQ(parse(object)->timeout_s, 7 * 24 * 3600);
  object["timeout"] = 0.5;
  EXPECT_EQ(parse(object)->timeout_s, 1);
  object["timeout"] = "10";
  EXPECT_FALSE(parse(object));
}

TEST(AddJob, TheCallbackHasTwoNames) {
  json::object object = a_job();
  object["notifyURL"] = "http://n/";
  EXPECT_EQ(parse(object)->callback_url, "http://n/");
  object["callback_url"] = "";
  EXPECT_EQ(parse(object)->callback_url, "http://n/");
  object["callback_url"] = "http://c/";
  EXPECT_EQ(parse(object)->callback_url, "http://c/");
  object["callback_url"] = nullptr;
  object.erase("notifyURL");
  EXPECT_EQ(parse(object)->callback_url, "");
}

TEST(AddJob, OnlyABooleanDisablesTheNetwork) {
  json::object object = a_job();
  for (const json::value& other : {json::value("true"), json::value(1), json::value(nullptr), json::value(false)}) {
    object["disable_network"] = other;
    EXPECT_FALSE(parse(object)->disable_network);
  }
}

TEST(AddJob, SizesAndAccounts) {
  json::object object = a_job();
  object["max_kb"] = 200;
  object["vm"] = json::object{{"cores", 2}, {"memory", 768}};
  object["accessKey"] = "";
  const auto job = parse(object);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->max_kb, 200u);
  EXPECT_EQ(job->memory_mb, 768u);
  object["accessKey"] = "s3cret";
  EXPECT_EQ(parse(object).error().what, "'accessKeyId'");
  object["accessKeyId"] = "AK";
  const auto with = parse(object);
  ASSERT_TRUE(with);
  ASSERT_EQ(with->notes.size(), 1u);  // the secret itself is kept nowhere
  EXPECT_EQ(with->notes[0].second, "AK");
}

TEST(AddJob, BadBodiesAreOneSentence) {
  for (const std::string& body : {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string("{\"a\":\"\xff\"}"),
                                  std::string(100'000, '['), std::string("{\"jobName\":1}"), std::string("\0", 1),
                                  std::string("{\"jobName\":\"x\",\"output_file\":\"o\",\"files\":{}}"),
                                  std::string("{\"jobName\":\"x\",\"output_file\":\"o\",\"files\":[1]}")}) {
    const auto job = parse_job_request(body);
    ASSERT_FALSE(job) << body;
    EXPECT_FALSE(job.error().what.empty());
    EXPECT_EQ(job.error().what.find('\n'), std::string::npos);
  }
}

TEST(Prealloc, CoresAndMemoryTogetherOrNot) {
  EXPECT_FALSE(parse_pool_request("")->memory_mb);
  EXPECT_FALSE(parse_pool_request(R"({"memory": 512})")->memory_mb);
  const auto pool = parse_pool_request(R"({"vmms": "localDocker", "cores": 1, "memory": 512})");
  ASSERT_TRUE(pool);
  EXPECT_EQ(pool->memory_mb, 512u);
  EXPECT_EQ(pool->cores, 1u);
  EXPECT_FALSE(parse_pool_request("nonsense"));
}

}  // namespace
}  // namespace milonga::rest
