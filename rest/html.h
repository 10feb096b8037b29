// HTML and SVG of the status page. Whatever did not come from this program goes through escape().
//
// Privilege: none. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace milonga::rest {

// Fit for an element's text and for an attribute's value in double quotes. What is not UTF-8
// or is a control character (but tab and newline) becomes U+FFFD.
std::string escape(std::string_view text);

// A whole page; `head` and `body` are HTML, the title is text.
std::string html_page(std::string_view title, std::string_view head, const std::string& body);

// Bars from left to right, each a label (said when pointed at) and a value; `behind` is drawn
// lighter behind it where it is larger. The axis ends at a round number.
struct Bar {
  std::string label;
  double value = 0, behind = 0;
};
std::string bars(std::string_view caption, std::string_view unit, const std::vector<Bar>& bars);

// "850 ms", "12.3 s", "4 min", "3 h"
std::string duration(double seconds);

}  // namespace milonga::rest
