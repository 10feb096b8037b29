// The log of a service: one line per event on standard error, for journald or a terminal.
//
//   2026-11-23T06:05:03.120Z info job=12 attempt=1 claimed
//   2026-11-23T06:05:03.120Z info 10.0.0.7 addJob 200 3 ms: Job added
//
// Never a secret: no key, nothing of a path but the call's name.
//
// Privilege: none.
#pragma once

#include <string_view>

namespace milonga {

enum class Level { info, warning, error };

// Each is one write(2), so that lines of several processes do not mix; control
// characters become blanks, so that what a client or a file's name says does not
// look like a line of its own. What cannot be written is lost: a full log disk or
// a closed terminal must not stop the service.
void log(Level level, std::string_view text);
// Without time and level: for a service that could not start.
void write_line(std::string_view text);

}  // namespace milonga
