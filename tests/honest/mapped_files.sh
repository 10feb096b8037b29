# Program: files mapped shared and private, msync, mremap, protection
# Demand: filesystem
# Expect: ok
# Prints: ^shared x, private a, grown 8192$
# Needs: gcc
cat > map.c <<'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
  int fd = open("data", O_CREAT | O_RDWR, 0600);
  char first = 'a';
  if (ftruncate(fd, 8192) != 0 || pwrite(fd, &first, 1, 0) != 1) return 1;
  char *own = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), mine = own[0];
  own[0] = 'b';
  char *all = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  all[0] = 'x'; msync(all, 4096, MS_SYNC);
  all = mremap(all, 4096, 8192, MREMAP_MAYMOVE);
  all[8191] = 1;
  if (pread(fd, &first, 1, 0) != 1) return 1;
  printf("shared %c, private %c, grown %d\n", first, mine, (int)lseek(fd, 0, SEEK_END));
}
END
gcc -o map map.c && ./map
