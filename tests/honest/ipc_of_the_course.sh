# Program: System V and POSIX shared memory, semaphores and message queues, as in the systems course
# Demand: visibility
# Expect: ok
# Prints: ^shm 42, sem 1, mq hello, sysv 7 8 9$
# Needs: gcc
cat > ipc.c <<'END'
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
  int fd = shm_open("/lab", O_CREAT | O_RDWR, 0600);
  if (ftruncate(fd, 4096) != 0) return 1;
  int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  sem_t *sem = sem_open("/lab", O_CREAT, 0600, 0);
  struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
  mqd_t mq = mq_open("/lab", O_CREAT | O_RDWR, 0600, &attr);
  int shm = shmget(IPC_PRIVATE, 4096, 0600), set = semget(IPC_PRIVATE, 1, 0600), queue = msgget(IPC_PRIVATE, 0600);
  int *old = shmat(shm, 0, 0);
  if (fork() == 0) {
    struct { long type; char text[1]; } m = {1, {9}};
    struct sembuf up = {0, 8, 0};
    *shared = 42; *old = 7;
    mq_send(mq, "hello", 6, 1); msgsnd(queue, &m, 1, 0); semop(set, &up, 1); sem_post(sem);
    _exit(0);
  }
  char text[64]; struct { long type; char text[1]; } m;
  int waited = sem_wait(sem) == 0; wait(0);
  mq_receive(mq, text, sizeof text, 0); msgrcv(queue, &m, 1, 1, 0);
  printf("shm %d, sem %d, mq %s, sysv %d %d %d\n", *shared, waited, text, *old, semctl(set, 0, GETVAL), m.text[0]);
}
END
gcc -o ipc ipc.c && ./ipc
