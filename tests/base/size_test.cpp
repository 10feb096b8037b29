#include "base/size.h"

#include <gtest/gtest.h>

#include <random>

namespace milonga {
namespace {

TEST(Size, ReadsWholeNumbersAsTangoDoes) {
  EXPECT_EQ(*parse_count("10"), 10u);
  EXPECT_EQ(*parse_count("0x10"), 16u);
  EXPECT_EQ(*parse_count("010"), 8u);
  EXPECT_EQ(*parse_count("  +7"), 7u);
  EXPECT_EQ(*parse_count(""), 0u);
  EXPECT_EQ(*parse_count("18446744073709551615"), ~0ull);
}

TEST(Size, RefusesSignsTrailingTextAndOverflow) {
  for (const char* text :
       {"-1", " -1", "7x", "x", "+", "++1", "+-1", "1 ", "0x", "08", "18446744073709551616", " "}) {
    EXPECT_FALSE(parse_count(text)) << text;
  }
  EXPECT_FALSE(
      parse_count(std::string_view("1\0"
                                   "2",
                                   3)));
}

TEST(Size, TakesPowersOf1024InEitherCase) {
  EXPECT_EQ(*parse_size("256M"), 256u << 20);
  EXPECT_EQ(*parse_size("1k"), 1024u);
  EXPECT_EQ(*parse_size("2G"), 2ull << 30);
  EXPECT_EQ(*parse_size("1000"), 1000u);
  for (const char* text : {"1T", "1MB", "M1", "1 M", "1.5M", "-1M", "17179869184G"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Size, TakesFractionsOfSeconds) {
  EXPECT_EQ(*parse_seconds("1.5"), 1'500'000'000u);
  EXPECT_EQ(*parse_seconds(".25"), 250'000'000u);
  EXPECT_EQ(*parse_seconds("2."), 2'000'000'000u);
  EXPECT_EQ(*parse_seconds("08.5"), 8'500'000'000u);
  EXPECT_EQ(*parse_seconds("0.000000001"), 1u);
  EXPECT_EQ(*parse_seconds("10"), 10'000'000'000u);
  EXPECT_EQ(*parse_seconds(""), 0u);
  for (const char* text :
       {".", "-1", "-1.5", "1.-5", "1.5.2", "1,5", "1s", "1e3", "0.0000000001", "99999999999999"}) {
    EXPECT_FALSE(parse_seconds(text)) << text;
  }
}

TEST(Size, WhatIsPrintedIsReadBackAsTheSameNumber) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t value = (random() >> (random() % 64)) << (random() % 20);
    EXPECT_EQ(*parse_size(print_size(value)), value);
    const std::uint64_t ns = value % 1'000'000'000'000'000'000;
    EXPECT_EQ(*parse_seconds(print_seconds(ns)), ns) << print_seconds(ns);
  }
  EXPECT_EQ(print_size(64u << 20), "64M");
  EXPECT_EQ(print_seconds(1'500'000'000), "1.5");
  EXPECT_EQ(print_seconds(90'000'000'000), "90");
  EXPECT_EQ(human_size(43'300'000), "41.3 MiB");
  EXPECT_EQ(human_size(512), "512 B");
}

}  // namespace
}  // namespace milonga
