// hostile NAME     runs one case
// hostile --list   their names
//
// Exit: the case's own, mostly 0; 64 usage. What became of it is in the output, see attack.h.
#include <stdarg.h>
#include <sys/prctl.h>

#include "tests/attacks/attack.h"

namespace hostile {
namespace {

Case* first_case = nullptr;
int attempts = 0, escapes = 0;
pid_t first_process = 0;
double before_main = 0;                // CPU time of what became the first process: the box's set-up, and execve
constexpr unsigned kLongestLife = 60;  // seconds: a case that nothing ends, ends itself

}  // namespace

Case::Case(const char* case_name, void (*case_body)()) : name(case_name), body(case_body), next(first_case) {
  first_case = this;
}

void say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  ::vprintf(format, arguments);
  va_end(arguments);
  ::putchar('\n');
  ::fflush(stdout);
}

void attempt(const char* what, bool succeeded) {
  ++attempts;
  if (!succeeded) return;
  ++escapes;
  say("ESCAPED %s", what);
}

const char* planted(const char* key) {
  static char line[512];
  FILE* file = ::fopen("planted", "re");
  if (file == nullptr) return "";
  const size_t length = ::strlen(key);
  const char* found = "";
  while (::fgets(line, sizeof line, file) != nullptr) {
    line[::strcspn(line, "\n")] = '\0';
    if (::strncmp(line, key, length) != 0 || line[length] != '=') continue;
    found = ::strdup(line + length + 1);
    break;
  }
  ::fclose(file);
  return found;
}

double now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

static double own_cpu() {  // CLOCK_PROCESS_CPUTIME_ID goes on over execve, and begins anew with a fork
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  const double all = static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
  return ::getpid() == first_process ? all - before_main : all;
}

void burn(double cpu_seconds) {
  do {
    for (int i = 0; i < 2000; ++i) asm volatile("");
  } while (own_cpu() < cpu_seconds);
}

void print_cpu() {
  say("cpu: %.9f", own_cpu());
}

void wait_for(double seconds) {
  const double end = now() + seconds;
  for (double left = seconds; left > 0; left = end - now()) {
    timespec t{};
    t.tv_sec = static_cast<time_t>(left);
    t.tv_nsec = static_cast<long>((left - static_cast<double>(t.tv_sec)) * 1e9);
    ::nanosleep(&t, nullptr);
  }
}

bool readable(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  char byte = 0;
  const bool yes = ::read(fd, &byte, 1) >= 0 || errno == EISDIR;
  ::close(fd);
  return yes;
}

bool writable(const char* path) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

bool can_create_in(const char* directory) {
  char path[600];
  ::snprintf(path, sizeof path, "%s/hostile-canary", directory);
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  ::close(fd);
  ::unlink(path);
  return true;
}

void reap_all() {
  while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
}

}  // namespace hostile

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  hostile::before_main = hostile::own_cpu();
  hostile::first_process = ::getpid();
  ::setvbuf(stdout, nullptr, _IOLBF, 0);
  for (hostile::Case* one = hostile::first_case; one != nullptr; one = one->next) {
    if (::strcmp(argv[1], "--list") == 0) ::puts(one->name);
    if (::strcmp(argv[1], one->name) != 0) continue;
    ::alarm(hostile::kLongestLife);
    one->body();
    if (hostile::escapes == 0 && hostile::attempts > 0) hostile::say("contained: %d attempts", hostile::attempts);
    ::fflush(stdout);
    return 0;
  }
  return ::strcmp(argv[1], "--list") == 0 ? 0 : 64;
}
