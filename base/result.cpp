#include "base/result.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace milonga {

Unexpected fail_errno(std::string_view operation, std::string_view subject, std::string hint, int code) {
  char text[128];
  std::string what = "cannot ";
  what += operation;
  if (!subject.empty()) {
    what += " '";
    what += subject;
    what += "'";
  }
  what += ": ";
  what += ::strerror_r(code, text, sizeof text);
  return Unexpected(Error{std::move(what), std::move(hint), code});
}

void bug(std::string_view what, const char* file, int line) {
  std::fprintf(stderr, "bug: %.*s (%s:%d); please report it\n", static_cast<int>(what.size()), what.data(), file,
               line);
  std::abort();
}

}  // namespace milonga
