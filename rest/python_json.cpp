#include "rest/python_json.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "rest/name.h"

namespace milonga::rest {
namespace {

namespace json = boost::json;

// The code point that begins at `at` of valid UTF-8; moves `at` behind it.
unsigned next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&] { return static_cast<unsigned>(static_cast<unsigned char>(text[at++])); };
  const unsigned first = byte();
  if (first < 0x80) return first;
  int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  unsigned code = first & (0x3fu >> more);
  for (; more > 0; --more) code = (code << 6) | (byte() & 0x3f);
  return code;
}

void write_text(std::string& out, std::string_view bytes) {
  const std::string text = lossy_utf8(bytes);
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const unsigned code = next_code_point(text, at);
    constexpr std::string_view kShort = "\"\\\n\r\t\b\f", kLetters = "\"\\nrtbf";
    const std::size_t found = code < 0x80 ? kShort.find(static_cast<char>(code)) : std::string_view::npos;
    if (found != std::string_view::npos) {
      out += '\\';
      out += kLetters[found];
    } else if (code == '/' && out.back() == '<') {
      out += "\\/";  // as Tornado: the reply may be pasted into a page's script
    } else if (code >= 0x20 && code < 0x7f) {
      out += static_cast<char>(code);
    } else if (code >= 0x10000) {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((code - 0x10000) >> 10), 0xdc00 + (code & 0x3ff));
    } else {
      out += fmt::format("\\u{:04x}", code);
    }
  }
  out += '"';
}

void write_number(std::string& out, double number) {
  const std::string text = std::isfinite(number) ? fmt::format("{}", number) : "null";
  out += text;
  if (text.find_first_not_of("-0123456789") == std::string::npos) out += ".0";  // a float stays one
}

void write(std::string& out, const json::value& value) {
  if (value.is_null())
    out += "null";
  else if (value.is_bool())
    out += value.as_bool() ? "true" : "false";
  else if (value.is_int64())
    out += fmt::format("{}", value.as_int64());
  else if (value.is_uint64())
    out += fmt::format("{}", value.as_uint64());
  else if (value.is_double())
    write_number(out, value.as_double());
  else if (value.is_string())
    write_text(out, value.as_string());
  else if (value.is_array()) {
    out += '[';
    for (const json::value& item : value.as_array()) {
      if (&item != value.as_array().begin()) out += ", ";
      write(out, item);
    }
    out += ']';
  } else {
    out += '{';
    bool first = true;
    for (const auto& field : value.as_object()) {
      if (!first) out += ", ";
      first = false;
      write_text(out, field.key());
      out += ": ";
      write(out, field.value());
    }
    out += '}';
  }
}

}  // namespace

std::string python_json(const json::value& value) {
  std::string out;
  write(out, value);
  return out;
}

}  // namespace milonga::rest
