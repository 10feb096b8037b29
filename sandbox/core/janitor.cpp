#include "sandbox/core/janitor.h"

#include <ftw.h>
#include <signal.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "sandbox/policy/mounts.h"

namespace milonga::core {
namespace {

constexpr int kMaxPasses = 4096;  // a pass opens one more level of directories without rights
bool opened = false;

int remove_ours(const char* path, const struct stat* st, int kind, struct FTW* at) {
  if (at->level == 0 || st->st_uid != ::geteuid()) return 0;
  const char* name = path + at->base;  // FTW_CHDIR: we are in its directory
  if (kind == FTW_DNR) opened = ::chmod(name, 0700) == 0 || opened;
  else (void)::remove(name);
  return 0;
}

// Objects are found by their index in the kernel's table (SHM_STAT and its like).
void remove_ipc() {
  const uid_t uid = ::geteuid();
  shm_info shm{};
  const int last_shm = ::shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&shm));
  for (int i = 0; i <= last_shm; ++i) {
    shmid_ds ds{};
    if (const int id = ::shmctl(i, SHM_STAT, &ds); id >= 0 && ds.shm_perm.uid == uid) (void)::shmctl(id, IPC_RMID, nullptr);
  }
  msginfo msg{};
  const int last_msg = ::msgctl(0, MSG_INFO, reinterpret_cast<msqid_ds*>(&msg));
  for (int i = 0; i <= last_msg; ++i) {
    msqid_ds ds{};
    if (const int id = ::msgctl(i, MSG_STAT, &ds); id >= 0 && ds.msg_perm.uid == uid) (void)::msgctl(id, IPC_RMID, nullptr);
  }
  seminfo sem{};
  const int last_sem = ::semctl(0, 0, SEM_INFO, &sem);
  for (int i = 0; i <= last_sem; ++i) {
    semid_ds ds{};
    if (const int id = ::semctl(i, 0, SEM_STAT, &ds); id >= 0 && ds.sem_perm.uid == uid) (void)::semctl(id, 0, IPC_RMID);
  }
}

}  // namespace

void kill_all_others() { (void)::kill(-1, SIGKILL); }  // says nothing: 0 also if all were others' (EPERM)

void remove_leftovers() {
  for (const SharedRow& row : kShared)
    for (int pass = 0; pass == 0 || (opened && pass < kMaxPasses); ++pass) {
      opened = false;
      (void)::nftw(row.path, remove_ours, 16, FTW_PHYS | FTW_DEPTH | FTW_CHDIR | FTW_MOUNT);
      if (::chdir("/") != 0) return;
    }
  remove_ipc();
}

}  // namespace milonga::core
