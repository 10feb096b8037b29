// Tango's paths, as its clients send them.
#include "rest/route.h"

#include <gtest/gtest.h>

namespace milonga::rest {
namespace {

TEST(Route, EveryCallWithAndWithoutTheLastSlash) {
  const struct {
    const char* method;
    const char* path;
    Call call;
  } calls[] = {
      {"GET", "/open/k/lab", Call::open},       {"POST", "/upload/k/lab", Call::upload},
      {"POST", "/addJob/k/lab", Call::add_job}, {"GET", "/poll/k/lab/out.txt", Call::poll},
      {"GET", "/info/k", Call::info},           {"GET", "/getPartialOutput/k/7", Call::partial_output},
      {"GET", "/jobs/k/0", Call::jobs},         {"GET", "/pool/k", Call::pool},
      {"GET", "/pool/k/img", Call::pool},       {"POST", "/prealloc/k/img/2", Call::prealloc},
      {"POST", "/build/k", Call::build},        {"GET", "/prealloc/k/img/2", Call::prealloc},
      {"POST", "/scale/k/1/5", Call::scale},    {"POST", "/cancel/k/lab/out.txt", Call::cancel},
  };
  for (const auto& c : calls)
    for (const char* slash : {"", "/"}) {
      const Route route = parse_route(c.method, std::string(c.path) + slash);
      EXPECT_EQ(route.call, c.call) << c.path << slash;
      EXPECT_EQ(route.key, "k");
    }
  EXPECT_EQ(parse_route("GET", "/").call, Call::hello);
}

TEST(Route, TheWrongMethodIsNotTheWrongPath) {
  for (const char* path : {"/", "/upload/k/lab/", "/addJob/k/lab/", "/build/k/"})
    for (const char* method : {"PUT", "DELETE", "HEAD", "OPTIONS", "get", ""})
      EXPECT_EQ(parse_route(method, path).call, Call::method_not_allowed) << method << " " << path;
  EXPECT_EQ(parse_route("POST", "/open/k/lab/").call, Call::method_not_allowed);
  EXPECT_EQ(parse_route("GET", "/addJob/k/lab/").call, Call::method_not_allowed);
  EXPECT_EQ(parse_route("G", "/open/k/lab/").call, Call::method_not_allowed);  // a part of a word is none
}

TEST(Route, WhatIsNoCallIsNotFound) {
  for (const char* path : {"", "open/k/l/", "//", "/open", "/open/", "/open/k", "/open//lab/", "/open/k//", "/open/k/a/b/",
                           "/Open/k/lab/", "/getPartialOutput/k/x/", "/getPartialOutput/k/-1/", "/prealloc/k//2/",
                           "/prealloc/k/img/two/", "/pool/", "/jobs/k/", "/poll/k/lab/", "/getPartialOutput/k/9999999999999999999/",
                           "*", "http://h/open/k/lab/"})
    EXPECT_EQ(parse_route("GET", path).call, Call::not_found) << path;
}

// tango-cli without --image asks for /pool/KEY//.
TEST(Route, AnEmptyImageIsEveryPool) {
  const Route route = parse_route("GET", "/pool/k//");
  EXPECT_EQ(route.call, Call::pool);
  EXPECT_EQ(route.image, "");
}

TEST(Route, ComponentsAreSplitBeforeTheyAreDecoded) {
  const Route route = parse_route("GET", "/poll/k%20ey/c%2Flab/..%2f..%2Fetc%2Fpasswd");
  EXPECT_EQ(route.call, Call::poll);
  EXPECT_EQ(route.key, "k ey");
  EXPECT_EQ(route.courselab, "c/lab");
  EXPECT_EQ(route.file, "../../etc/passwd");
}

TEST(Route, TheQueryIsNoPartOfTheName) {
  EXPECT_TRUE(parse_route("GET", "/poll/k/l/o?x=2&inprogress=1").in_progress);
  EXPECT_FALSE(parse_route("GET", "/poll/k/l/o?inprogress=10").in_progress);
  EXPECT_FALSE(parse_route("GET", "/poll/k/l/o").in_progress);
  EXPECT_EQ(parse_route("GET", "/poll/k/l/o?inprogress=1").file, "o");
}

TEST(Route, WhatIsNoEscapeStays) {
  EXPECT_EQ(percent_decode("100%"), "100%");
  EXPECT_EQ(percent_decode("%4"), "%4");
  EXPECT_EQ(percent_decode("%zz%41%6a"), "%zzAj");
  EXPECT_EQ(percent_decode("%2541"), "%41");  // once
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
}

}  // namespace
}  // namespace milonga::rest
