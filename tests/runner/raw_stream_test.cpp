#include "runner/vmm/raw_stream.h"

#include <gtest/gtest.h>

namespace milonga::runner {
namespace {

std::string frame(char channel, const std::string& text) {
  std::string out{channel, 0, 0, 0};
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(text.size() >> shift & 0xff);
  return out + text;
}

struct Taken {
  std::string output, errors;
  RawStream stream{[this](RawStream::Channel channel, std::string_view piece) -> Result<void> {
    (channel == RawStream::Channel::output ? output : errors) += piece;
    return {};
  }};
};

TEST(RawStream, ComesApartWhereverItIsCut) {
  const std::string big(70'000, 'b');
  const std::string all = frame(1, "one") + frame(2, "err") + frame(1, "") + frame(1, big) + frame(2, "end");
  for (const std::size_t step : {1ul, 2ul, 7ul, 8ul, 9ul, 4096ul, all.size()}) {
    Taken taken;
    for (std::size_t at = 0; at < all.size(); at += step)
      ASSERT_TRUE(taken.stream.feed(std::string_view(all).substr(at, step)));
    EXPECT_EQ(taken.output, "one" + big);
    EXPECT_EQ(taken.errors, "errend");
    EXPECT_TRUE(taken.stream.at_boundary());
  }
}

TEST(RawStream, KnowsThatItWasCutOff) {
  const std::string all = frame(1, "payload");
  for (std::size_t length = 1; length < all.size(); ++length) {
    Taken taken;
    ASSERT_TRUE(taken.stream.feed(std::string_view(all).substr(0, length)));
    EXPECT_FALSE(taken.stream.at_boundary()) << length;
  }
}

TEST(RawStream, AnythingElseIsRefused) {
  for (const std::string& other : {std::string("plain text of a terminal"), frame(3, "x"), frame(0, "x"),
                                   std::string("\1\0\0\1\0\0\0\1x", 9)}) {
    Taken taken;
    EXPECT_FALSE(taken.stream.feed(other));
    EXPECT_EQ(taken.output + taken.errors, "");
  }
}

TEST(RawStream, AnErrorOfTheTakerEndsIt) {
  RawStream stream(
      [](RawStream::Channel, std::string_view) -> Result<void> { return fail("the disk is full"); });
  const auto fed = stream.feed(frame(1, "x"));
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().what, "the disk is full");
}

}  // namespace
}  // namespace milonga::runner
