// What may become a file's name, and bytes that are no text.
#include "rest/name.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/utf8.h"
#include "rest/python_json.h"

namespace milonga::rest {
namespace {

TEST(Name, OneComponentOfText) {
  for (const char* name : {"Makefile", "ann@example.edu_3_hello.c", "a b", ".profile", "...", "b\xc3\xa4r.c", "-rf", "%2e%2e", "~"})
    EXPECT_EQ(name_problem(name, 200), "") << name;
}

TEST(Name, NothingThatLeadsElsewhere) {
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("/etc/passwd"),
                                  std::string("../x"), std::string("a\0b", 3), std::string("a\nb"), std::string("a\x7f"),
                                  std::string("\xff\xfe"), std::string("\xc0\xaf"), std::string(201, 'a')})
    EXPECT_NE(name_problem(name, 200), "") << name;
}

TEST(Name, Images) {
  for (const char* name : {"default", "autograding_image", "a.v2", "registry.example.edu:5000/cs/c:latest", "x@sha256"})
    EXPECT_TRUE(is_image_name(name)) << name;
  for (const char* name : {"", "/", "/etc", "a/", "a//b", "..", "a/../b", "a b", "a\tb", "a;b", "b\xc3\xa4r"})
    EXPECT_FALSE(is_image_name(name)) << name;
  EXPECT_FALSE(is_image_name(std::string(129, 'a')));
}

TEST(LossyUtf8, KeepsAllThatIsText) {
  EXPECT_EQ(lossy_utf8("a\xff" "b"), "a\xef\xbf\xbd" "b");
  EXPECT_EQ(lossy_utf8("ok \xe2\x82"), "ok ");  // cut in half at the end: the rest is still to come
  EXPECT_EQ(lossy_utf8("\xe2\x82 x"), "\xef\xbf\xbd\xef\xbf\xbd x");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_TRUE(is_utf8(lossy_utf8(all)));
}

TEST(HeaderText, Latin1OfPythonAndUtf8OfRuby) {
  EXPECT_EQ(header_text("b\xe4r.c"), "b\xc3\xa4r.c");
  EXPECT_EQ(header_text("b\xc3\xa4r.c"), "b\xc3\xa4r.c");
}

// The expected texts are what CPython 3.11's json.dumps prints, and then Tornado's "</" -> "<\/".
TEST(PythonJson, SameBytesAsTango) {
  namespace json = boost::json;
  EXPECT_EQ(python_json({{"statusId", 0}, {"statusMsg", "Found directory"}, {"files", json::object()}}),
            R"({"statusId": 0, "statusMsg": "Found directory", "files": {}})");
  EXPECT_EQ(python_json(json::array{1, -2, nullptr, true, false, 1.5, 2.0, json::array()}), "[1, -2, null, true, false, 1.5, 2.0, []]");
  EXPECT_EQ(python_json(json::value("\"\\\n\r\t\b\f\x01\x7f")), R"("\"\\\n\r\t\b\f\u0001\u007f")");
  EXPECT_EQ(python_json(json::value("\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\x83")), R"("\u00e4\u20ac\ud83d\udc83")");
  EXPECT_EQ(python_json(json::value("</script> a/b")), R"("<\/script> a/b")");
  EXPECT_EQ(python_json(json::value("x\xff")), R"("x\ufffd")");
}

}  // namespace
}  // namespace milonga::rest
