#include "rest/name.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace milonga::rest {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// Bytes of the character that begins at `at`: 0 = not UTF-8 (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF); `cut`: it is right as
// far as it goes, but the text ends in it.
std::size_t character(std::string_view text, std::size_t at, bool* cut) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 && first <= 0xf4   ? 4
                           : first >= 0xe0 && first <= 0xef ? 3
                           : first >= 0xc2 && first <= 0xdf ? 2
                                                            : 0;
  for (std::size_t i = 1; i < size; ++i) {
    if (at + i == text.size()) {
      *cut = true;
      return 0;
    }
    const unsigned low = i == 1 && first == 0xe0 ? 0xa0 : i == 1 && first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = i == 1 && first == 0xed ? 0x9f : i == 1 && first == 0xf4 ? 0x8f : 0xbf;
    if (byte_at(text, at + i) < low || byte_at(text, at + i) > high) return 0;
  }
  return size;
}

}  // namespace

std::string lossy_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  bool cut = false;
  for (std::size_t at = 0; at < bytes.size() && !cut;) {
    const std::size_t size = character(bytes, at, &cut);
    if (size != 0)
      out.append(bytes.substr(at, size));
    else if (!cut)
      out.append(kReplacement);
    at += std::max<std::size_t>(size, 1);
  }
  return out;
}

std::string header_text(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const unsigned c = byte_at(bytes, at);
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else {
      out += static_cast<char>(0xc0 | (c >> 6));
      out += static_cast<char>(0x80 | (c & 0x3f));
    }
  }
  return out;
}

std::string name_problem(std::string_view name, std::size_t longest) {
  if (name.empty()) return "it is empty";
  if (name.size() > longest) return fmt::format("it is longer than {} bytes", longest);
  if (name == "." || name == "..") return "it names a directory";
  if (name.find('/') != std::string_view::npos) return "it has a '/'";
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(name.begin(), name.end(), is_control)) return "it has a control character";
  if (!is_utf8(name)) return "it is not UTF-8";
  return {};
}

bool is_image_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/@";
  if (name.size() > kLongestImage || name.find_first_not_of(kAllowed) != std::string_view::npos) return false;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t slash = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, slash - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = slash + 1;
  }
  return true;
}

}  // namespace milonga::rest
