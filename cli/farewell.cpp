#include "cli/farewell.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "base/result.h"
#include "base/terminal.h"

namespace milonga::cli {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};

// For the handler, which may do little: signal-safety(7).
std::array<char, 512> text;
std::size_t text_size = 0;

// SA_RESETHAND has put back the default: the signal is delivered again, and is deadly, when we return.
void say_and_die(int signal) {
  (void)!::write(STDERR_FILENO, text.data(), text_size);
  (void)::raise(signal);
}

}  // namespace

Farewell::Farewell(const std::string& line) {
  if (text_size != 0) bug("two farewells");
  const std::string whole =
      (is_terminal(STDERR_FILENO) ? "\r\033[K" : "") + ("milonga: " + printable(line)) + "\n";
  text_size = whole.copy(text.data(), text.size());
  for (const int signal : kSignals) {
    struct sigaction before {
    }, now{};
    now.sa_handler = say_and_die;
    now.sa_flags = static_cast<int>(SA_RESETHAND);
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_DFL)
      (void)::sigaction(signal, &now, nullptr);
  }
}

Farewell::~Farewell() {
  for (const int signal : kSignals) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == say_and_die) ::signal(signal, SIG_DFL);
  }
  text_size = 0;
}

}  // namespace milonga::cli
