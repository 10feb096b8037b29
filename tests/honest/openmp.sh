# Program: OpenMP, which asks for processors and their affinity
# Demand: syscalls
# Expect: ok
# Prints: ^sum 499999500000 by 4$
# Needs: gcc
cat > sum.c <<'END'
#include <omp.h>
#include <stdio.h>
int main(void) {
  long sum = 0;
  int threads = 0;
#pragma omp parallel for reduction(+ : sum) num_threads(4)
  for (long i = 0; i < 1000000; ++i) { sum += i; threads = omp_get_num_threads(); }
  printf("sum %ld by %d\n", sum, threads);
}
END
gcc -fopenmp -O1 -o sum sum.c && ./sum
