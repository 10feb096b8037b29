# Program: a tree of processes with pipes between them, as in the systems course
# Demand: processes
# Expect: ok
# Prints: ^31 processes, statuses 0 to 15$
# Needs: gcc
cat > tree.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static int grow(int depth) {
  int made = 1;
  if (depth == 0) return made;
  for (int i = 0; i < 2; ++i) {
    int ends[2], below = 0;
    if (pipe(ends) != 0) exit(9);
    if (fork() == 0) { below = grow(depth - 1); exit(write(ends[1], &below, sizeof below) != sizeof below); }
    if (read(ends[0], &below, sizeof below) != sizeof below) exit(9);
    close(ends[0]); close(ends[1]); wait(NULL);
    made += below;
  }
  return made;
}
int main(void) {
  int fine = 1;
  printf("%d processes, ", grow(4)); fflush(stdout);
  for (int i = 0; i < 16; ++i) {
    char text[4]; int status;
    sprintf(text, "%d", i);
    if (fork() == 0) { execlp("sh", "sh", "-c", "exit $0", text, (char *)0); _exit(99); }
    wait(&status);
    fine = fine && WEXITSTATUS(status) == i;
  }
  puts(fine ? "statuses 0 to 15" : "wrong statuses");
}
END
gcc -o tree tree.c && ./tree
