// What people see differently from programs: colour, a line that is redrawn, and
// text of strangers without control characters. On anything but a terminal it is
// all plain lines.
//
// Privilege: none.
#pragma once

#include <string>
#include <string_view>

namespace milonga {

enum class Colour { green, yellow, red };

// Is this descriptor a terminal that understands colours (isatty, TERM, https://no-color.org)?
bool is_terminal(int fd);

// The text in colour if the descriptor is a terminal, else as it is.
std::string paint(std::string_view text, Colour colour, int fd);

// Control characters (C0, DEL, C1 in UTF-8) become '?': a job's name or an error
// that quotes a student's file must not move the cursor or set the title.
std::string printable(std::string_view text);

// One line about something that goes on. A terminal shows the newest text in
// place, cut to its width; elsewhere each new text is a line of its own.
class StatusLine {
 public:
  explicit StatusLine(int fd) : fd_(fd), terminal_(is_terminal(fd)) {}
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine() { clear(); }

  void show(const std::string& text);
  // Takes the line off the terminal, so that something else can be written.
  void clear();

 private:
  int fd_;
  bool terminal_;
  bool shown_ = false;
  std::string last_;
};

}  // namespace milonga
