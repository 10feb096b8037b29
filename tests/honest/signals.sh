# Program: handlers, masks, alarm, sigwait, real-time signals in order, an alternate stack
# Demand: syscalls
# Expect: ok
# Prints: ^alarm 1, queued 1 2 3, overflow handled$
# Needs: gcc
cat > signals.c <<'END'
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static volatile sig_atomic_t alarms;
static void on_alarm(int s) { (void)s; ++alarms; }
static void on_segv(int s) { (void)s; ssize_t n = write(1, "overflow handled\n", 17); (void)n; _exit(0); }
static int deeper(volatile char *p) { volatile char block[10000]; block[0] = p[0]; return deeper(block) + block[0]; }
int main(void) {
  signal(SIGALRM, on_alarm); alarm(1); pause();
  sigset_t rt; sigemptyset(&rt); sigaddset(&rt, SIGRTMIN); sigprocmask(SIG_BLOCK, &rt, 0);
  printf("alarm %d, queued", alarms);
  for (int i = 1; i <= 3; ++i) { union sigval v = {.sival_int = i}; sigqueue(getpid(), SIGRTMIN, v); }
  for (int i = 0; i < 3; ++i) { siginfo_t info; sigwaitinfo(&rt, &info); printf(" %d", info.si_value.sival_int); }
  printf(", "); fflush(stdout);
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536}; sigaltstack(&stack, 0);
  struct sigaction action = {.sa_handler = on_segv, .sa_flags = SA_ONSTACK}; sigaction(SIGSEGV, &action, 0);
  char start = 0;
  return deeper(&start);
}
END
gcc -w -o signals signals.c && ./signals
