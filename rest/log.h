// The server's log: one line per request on standard error, for journald or a
// terminal. Never a key, nor anything of a path but the call's name.
//
//   2026-11-23T06:05:03.120Z info 10.0.0.7 addJob 200 3 ms: Job added
//
// Privilege: none.
#pragma once

#include <string>
#include <string_view>

namespace milonga::rest {

enum class Level { info, warning, error };

// One write(2), so that lines of several servers do not mix. Control characters
// become blanks: what a client sends must not look like a line of its own.
void log(Level level, std::string_view text);

}  // namespace milonga::rest
