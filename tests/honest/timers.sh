# Program: timerfd, POSIX timers, setitimer and clock_nanosleep
# Demand: syscalls
# Expect: ok
# Prints: ^timerfd 1, timer 1, itimer 1, slept 1$
# Needs: gcc
cat > timers.c <<'END'
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
static volatile sig_atomic_t usr, alrm;
static void on_usr(int s) { (void)s; usr = 1; }
static void on_alrm(int s) { (void)s; alrm = 1; }
int main(void) {
  uint64_t n = 0;
  int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec when = {.it_value = {0, 10000000}};
  timerfd_settime(fd, 0, &when, 0);
  if (read(fd, &n, sizeof n) != sizeof n) return 1;
  signal(SIGUSR1, on_usr); signal(SIGALRM, on_alrm);
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  timer_t t; timer_create(CLOCK_REALTIME, &e, &t); timer_settime(t, 0, &when, 0); pause();
  struct itimerval it = {.it_value = {0, 10000}}; setitimer(ITIMER_REAL, &it, 0); pause();
  struct timespec d = {0, 10000000};
  printf("timerfd %d, timer %d, itimer %d, slept %d\n", (int)n, usr, alrm, clock_nanosleep(CLOCK_MONOTONIC, 0, &d, 0) == 0);
}
END
gcc -o timers timers.c && ./timers
