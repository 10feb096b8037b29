#include "rest/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rest/name.h"

namespace milonga::rest {
namespace {

// The least of 1, 2, 5, 10, 20.. that is not below.
double round_up(double value) {
  double unit = 1;
  while (unit * 10 < value) unit *= 10;
  for (const double step : {1.0, 2.0, 5.0, 10.0})
    if (unit * step >= value) return unit * step;
  return value;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : lossy_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
          out += "\xef\xbf\xbd";
        else
          out += c;
    }
  }
  return out;
}

std::string duration(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", 1000 * std::max(seconds, 0.0));
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.0f} h", seconds / 3600);
}

std::string bars(std::string_view caption, std::string_view unit, const std::vector<Bar>& all) {
  constexpr double kWidth = 600, kHeight = 140, kLeft = 36, kBottom = 120;
  double most = 1;
  for (const Bar& bar : all) most = std::max({most, bar.value, bar.behind});
  most = round_up(most);
  const double step = (kWidth - kLeft) / static_cast<double>(std::max<std::size_t>(all.size(), 1));
  std::string out = fmt::format(
      "<figure><figcaption>{0}</figcaption><svg viewBox=\"0 0 {1} {2}\" role=\"img\" aria-label=\"{0}\">"
      "<line class=\"axis\" x1=\"{3}\" y1=\"{4}\" x2=\"{1}\" y2=\"{4}\"/><line class=\"axis\" x1=\"{3}\" "
      "y1=\"10\" x2=\"{1}\" y2=\"10\"/>"
      "<text x=\"{5}\" y=\"14\" text-anchor=\"end\">{6:g}</text><text x=\"{5}\" y=\"{4}\" "
      "text-anchor=\"end\">0</text>",
      escape(caption), kWidth, kHeight, kLeft, kBottom, kLeft - 5, most);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double x = kLeft + step * static_cast<double>(i);
    const auto bar = [&](const char* kind, double value) {
      const double height = value / most * (kBottom - 10);
      if (height > 0)
        out += fmt::format(
            "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"><title>{}: {:g} "
            "{}</title></rect>",
            kind, x, kBottom - height, std::max(step - 1, 1.0), height, escape(all[i].label),
            std::round(value * 100) / 100, escape(unit));
    };
    bar("high", all[i].behind);
    bar("bar", all[i].value);
  }
  if (!all.empty())
    out += fmt::format(
        "<text x=\"{}\" y=\"{}\">{}</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kLeft,
        kHeight - 4, escape(all.front().label), kWidth, kHeight - 4, escape(all.back().label));
  return out + "</svg></figure>\n";
}

std::string html_page(std::string_view title, std::string_view head, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\">{1}"
      "<title>{0}</title><link rel=\"stylesheet\" href=\"/ui/style.css\"></head><body>\n{2}</body></html>\n",
      escape(title), head, body);
}

}  // namespace milonga::rest
