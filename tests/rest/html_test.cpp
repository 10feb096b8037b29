#include "rest/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace milonga::rest {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Html, NothingThatIsEscapedCanBeMarkup) {
  EXPECT_EQ(escape("<script>alert(\"1\" & '2')</script>"),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
  EXPECT_EQ(escape("a\tb\n\x1b[31m\x7f"), "a\tb\n\xef\xbf\xbd[31m\xef\xbf\xbd");
  EXPECT_EQ(escape("\xff\xc3\xa4"), "\xef\xbf\xbd\xc3\xa4");
}

TEST(Html, ABarForEachValueBelowARoundTop) {
  const std::string svg = bars("jobs <&>", "jobs", {{"10:00", 3, 0}, {"10:01", 0, 0}, {"10:02", 17, 30}});
  EXPECT_THAT(svg, HasSubstr(">50</text>"));
  EXPECT_THAT(svg, HasSubstr("<title>10:02: 17 jobs</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>10:02: 30 jobs</title>"));
  EXPECT_THAT(svg, Not(HasSubstr("<title>10:01")));
  EXPECT_THAT(svg, Not(HasSubstr("<&>")));
  EXPECT_THAT(bars("none", "jobs", {}), HasSubstr("</svg>"));
}

TEST(Html, Durations) {
  EXPECT_EQ(duration(0.0123), "12 ms");
  EXPECT_EQ(duration(-1), "0 ms");
  EXPECT_EQ(duration(12.34), "12.3 s");
  EXPECT_EQ(duration(300), "5 min");
  EXPECT_EQ(duration(7200), "2 h");
}

}  // namespace
}  // namespace milonga::rest
