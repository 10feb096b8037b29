# Program: 200 threads at once
# Demand: processes
# Expect: ok
# Prints: ^200 threads, sum 19900$
# Needs: gcc
cat > threads.c <<'END'
#include <pthread.h>
#include <stdio.h>
static pthread_barrier_t all_there;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long sum;
static void *work(void *number) {
  pthread_barrier_wait(&all_there);
  pthread_mutex_lock(&lock);
  sum += (long)number;
  pthread_mutex_unlock(&lock);
  return NULL;
}
int main(void) {
  pthread_t threads[200];
  int started = 0;
  pthread_barrier_init(&all_there, NULL, 200);
  for (long i = 0; i < 200; ++i) started += pthread_create(&threads[i], NULL, work, (void *)i) == 0;
  for (int i = 0; i < 200; ++i) pthread_join(threads[i], NULL);
  printf("%d threads, sum %ld\n", started, sum);
}
END
gcc -o threads threads.c && ./threads
