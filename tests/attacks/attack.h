// What the cases of this folder share. Each case is one file, which begins with its expectation as data (README.md has
// the keys), and is a subcommand of one static program: `hostile NAME`. It tries, and tells of each success:
//
//   attempt("a file of the host", fd >= 0);      prints `ESCAPED a file of the host` if it was one
//
// When it gets to its end without one, the program prints `contained: N attempts`, and that is its last line.
// Whatever the sandbox does, a case harms nothing: it stops by itself after a fixed count, size or time.
//
// Privilege: job.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

namespace hostile {

struct Case {
  Case(const char* name, void (*body)());
  const char* name;
  void (*body)();
  Case* next;
};

// Counts, and prints `ESCAPED what` if the attacker has succeeded.
void attempt(const char* what, bool succeeded);

// A line of output, flushed at once: what has been printed before a kill is seen.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);

// What the driver has planted outside of the box, by key (run.py, class Planted); "" if there is no such key.
const char* planted(const char* key);

// The plain system call: its result, or -errno.
template <class... Arguments>
long call(long number, Arguments... arguments) {
  const long result = ::syscall(number, arguments...);
  return result < 0 ? -errno : result;
}

double now();                   // seconds, CLOCK_MONOTONIC
void burn(double cpu_seconds);  // until the calling process has used so much
void print_cpu();               // `cpu: SECONDS` of the calling process, for `Accounts:`; the last thing before its end
void wait_for(double seconds);  // sleeps it off, whatever signals come
bool readable(const char* path);
bool writable(const char* path);  // can be opened for writing; nothing is written
bool can_create_in(const char* directory);
void reap_all();

// A child that runs `body` and exits with 0. -1 if the fork was refused.
template <class Body>
pid_t in_child(Body body) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  body();
  ::_exit(0);
}

}  // namespace hostile

using namespace hostile;  // whoever includes this is a case, and nothing else

#define ATTACK(name)                                                  \
  static void attack_##name();                                        \
  static const hostile::Case registered_##name(#name, attack_##name); \
  static void attack_##name()
