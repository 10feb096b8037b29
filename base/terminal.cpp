#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace milonga {
namespace {

constexpr std::size_t kUsualWidth = 80;

std::size_t width_of(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsualWidth;
}

// At most `width` characters; a UTF-8 character is not cut in two.
std::string_view cut(std::string_view text, std::size_t width) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
    if (begins && characters++ == width) return text.substr(0, i);
  }
  return text;
}

// Progress only: if it cannot be written nobody is there to read it.
void write_text(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

bool is_terminal(int fd) {
  const char* no_colour = ::secure_getenv("NO_COLOR");
  const char* term = ::secure_getenv("TERM");
  const bool plain =
      (no_colour != nullptr && *no_colour != '\0') || term == nullptr || term == std::string_view("dumb");
  return !plain && ::isatty(fd) == 1;
}

std::string paint(std::string_view text, Colour colour, int fd) {
  static constexpr const char* kCodes[] = {"\033[32m", "\033[33m", "\033[31m"};
  if (!is_terminal(fd)) return std::string(text);
  return kCodes[static_cast<std::size_t>(colour)] + std::string(text) + "\033[0m";
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    const bool c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;
    out += c < 0x20 || c == 0x7f || c1 ? '?' : text[i];
    if (c1) ++i;
  }
  return out;
}

void StatusLine::show(const std::string& text) {
  if (text == last_ && (shown_ || !terminal_)) return;
  last_ = text;
  if (terminal_) {
    write_text(fd_, "\r\033[K" + std::string(cut(printable(text), width_of(fd_) - 1)));
  } else {
    write_text(fd_, printable(text) + "\n");
  }
  shown_ = true;
}

void StatusLine::clear() {
  if (terminal_ && shown_) write_text(fd_, "\r\033[K");
  shown_ = false;
}

}  // namespace milonga
