// The one way in which unprivileged code reports that the world did not do what
// was asked: Result<T>, which is a T or an Error. Dropping one does not compile.
//
// There are three classes of failure and no fourth (style: base/README.md):
//   the world failed  -> Result<T>
//   we have a bug     -> milonga::bug(), which aborts
//   the job failed    -> data, in the report
// Exceptions of libraries (Boost) are caught in the function that calls the
// library and become an Error there.
//
// Privilege: none. The privileged program does not use this header.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace milonga {

struct Error {
  std::string what;  // one sentence: what could not be done, to which file or field, and why
  std::string hint;  // what to do about it; may be empty
  int code = 0;      // errno, or 0 where none applies

  // "WHAT" or "WHAT (HINT)": the line that people see, without the program's name.
  [[nodiscard]] std::string line() const { return hint.empty() ? what : what + " (" + hint + ")"; }
};

template <class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Unexpected = tl::unexpected<Error>;

// return fail("cannot parse 'x'", "write a number");
inline Unexpected fail(std::string what, std::string hint = {}) {
  return Unexpected(Error{std::move(what), std::move(hint), 0});
}

// return fail_errno("open", path);  ->  "cannot open '/x': Permission denied"
// Uses errno as it is at the call (or the given code).
Unexpected fail_errno(std::string_view operation, std::string_view subject, std::string hint = {}, int code = errno);

// A broken invariant of ours: says where and aborts, in every build.
[[noreturn]] void bug(std::string_view what, const char* file = __builtin_FILE(), int line = __builtin_LINE());

namespace detail {
template <class T>
T&& unwrap(Result<T>& r) {
  return std::move(*r);
}
inline void unwrap(Result<void>&) {}
}  // namespace detail

}  // namespace milonga

// auto fd = TRY(open_file(path));  hands the Error on to the caller, or unwraps.
#define TRY(expr)                                                              \
  __extension__({                                                              \
    auto try_result_ = (expr);                                                 \
    if (!try_result_) return ::tl::unexpected(std::move(try_result_).error()); \
    ::milonga::detail::unwrap(try_result_);                                    \
  })
