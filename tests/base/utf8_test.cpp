#include "base/utf8.h"

#include <gtest/gtest.h>

#include <iterator>

#include "base/sha256.h"

namespace milonga {
namespace {

TEST(Utf8, WellFormedTextIsTaken) {
  for (const char* text : {"", "plain", "\u00e9", "\u20ac", "\U0001f600", "\U0010ffff", "\xed\x9f\xbf", "\xee\x80\x80"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(to_utf8(text), text);
  }
}

TEST(Utf8, EverythingElseIsNot) {
  for (const char* text : {"\x80", "\xc3", "caf\xe9", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80", "\xe2\x82", "\xff"}) {
    EXPECT_FALSE(is_utf8(text));
    EXPECT_TRUE(is_utf8(to_utf8(text)));
  }
  EXPECT_EQ(to_utf8("caf\xe9!"), "caf\\xe9!");
  EXPECT_EQ(to_utf8("cut \xe2\x82"), "cut \\xe2\\x82");
}

TEST(Utf8, ALongTextIsCutBetweenCharacters) {
  const std::string text = "ab\u20ac\U0001f600z", euro = "ab\u20ac", face = "ab\u20ac\U0001f600";
  const std::string cut[] = {"", "a", "ab", "ab", "ab", euro, euro, euro, euro, face, text, text};
  for (std::size_t most = 0; most < std::size(cut); ++most) EXPECT_EQ(to_utf8(text, most), cut[most]) << most;
  EXPECT_EQ(to_utf8("a\xff", 4), "a") << "the escape has four bytes";
  EXPECT_EQ(to_utf8("a\xff", 5), "a\\xff");
}

TEST(Utf8, OnlyWhatIsWellFormedIsLeft) {
  EXPECT_EQ(only_utf8("a\xff\u20ac\xe2\x82z\xc0\x80\xed\xa0\x80"), "a\u20acz");
  EXPECT_EQ(only_utf8(""), "");
}

TEST(Sha256, IsThatOfTheStandard) {
  // FIPS 180-4's example "abc".
  const char* abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(sha256_hex("abc"), abc);
  Sha256 hash;
  hash.add("a");
  hash.add("bc");
  EXPECT_EQ(hash.hex(), abc);
}

}  // namespace
}  // namespace milonga
