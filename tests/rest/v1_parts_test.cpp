// The parts of our own API that need no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "rest/rate_limit.h"
#include "rest/scores.h"
#include "rest/v1_api.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;
using testing::UnorderedElementsAreArray;

// Both ways: what is served is described, what is described is served.
TEST(OpenApi, HasTheRoutesThatThereAreAndNoOthers) {
  const json::value description =
      json::parse(json::string_view(V1Api::description().data(), V1Api::description().size()));
  std::vector<std::string> described;
  for (const auto& path : description.at("paths").as_object())
    for (const auto& method : path.value().as_object()) {
      std::string name(method.key());
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return static_cast<char>(std::toupper(c)); });
      described.push_back(name + " " + std::string(path.key()));
    }
  EXPECT_THAT(V1Api::routes(), UnorderedElementsAreArray(described));
}

TEST(Scores, AreReadFromTheLastLineAsAutolabReadsThem) {
  for (const char* feedback :
       {"out\n{\"scores\": {\"a\": 3, \"b\": 4.5}}\n", "{scores: {a: 3, b: 4.5}}",
        "x\n{scores:{a:3,\"b\":4.5}} \n\n \t\n",
        "{not: this}\n{\"scores\": {\"a\": 3, \"b\": 4.5}, \"note\": \"time: 3 s\"}\r\n"}) {
    const auto result = autoresult(feedback);
    ASSERT_TRUE(result) << feedback;
    EXPECT_EQ(total_of(*result), 7.5) << feedback;
  }
  EXPECT_EQ(total_of(*autoresult(R"({"scores": {"a": "x", "b": null, "c": 2}})")), 2);
}

TEST(Scores, NothingElseIsAResult) {
  for (const char* feedback :
       {"", "\n", "hello", "{}", "[1]", "{\"scores\": 3}", "{\"scores\": {\"a\": 1}}\nlast",
        "{\"scores\": {\"a\": 1}", "\xff{\"scores\": {}}", "{scores:", "scores:1"})
    EXPECT_FALSE(autoresult(feedback)) << feedback;
  std::string deep(100'000, '[');
  EXPECT_FALSE(autoresult(deep));
}

TEST(Scores, ThePresentationIsTheLineBefore) {
  const char* stages = R"({"_presentation": "semantic", "stages": ["a"], "a": {"t1": {"passed": true, "hint": "x: y"}}})";
  const auto shown = presentation(std::string("out\n") + stages + "\n{\"scores\": {\"a\": 1}}\n\n");
  ASSERT_TRUE(shown);
  EXPECT_EQ(json::value(*shown), json::parse(stages));
  for (const char* none : {"", "{}", "{\"scores\": {}}", "{\"stages\": []}\n{\"scores\": {}}", "text\n{\"scores\": {}}"})
    EXPECT_FALSE(presentation(none)) << none;
}

TEST(RateLimit, ABurstThenTheRateAndEachNameForItself) {
  RateLimit limit(10, 3);
  const auto begin = RateLimit::Clock::now();
  const auto at = [&](int ms) { return begin + std::chrono::milliseconds(ms); };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.take("ann", at(0)));
  EXPECT_FALSE(limit.take("ann", at(0)));
  EXPECT_FALSE(limit.has("ann", at(50)));
  EXPECT_TRUE(limit.take("bob", at(50)));
  EXPECT_TRUE(limit.take("ann", at(101)));
  EXPECT_FALSE(limit.take("ann", at(110)));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.take("ann", at(60'000)));
  EXPECT_FALSE(limit.take("ann", at(60'000)));  // never more than the burst
  for (int i = 0; i < 20'000; ++i) (void)limit.take(std::to_string(i), at(60'000));
  EXPECT_TRUE(limit.take("ann", at(60'000)));  // forgotten: the names do not fill the memory
}

}  // namespace
}  // namespace milonga::rest
