#include "sandbox/core/janitor.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "sandbox/policy/mounts.h"

namespace milonga::core {
namespace {

class Listing {
 public:
  explicit Listing(int directory) : stream_(::fdopendir(directory)) {}
  ~Listing() {
    if (stream_ != nullptr) ::closedir(stream_);
  }
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;
  const char* next() {
    for (const dirent* e = nullptr; stream_ != nullptr && (e = ::readdir(stream_)) != nullptr;)
      if (std::strcmp(e->d_name, ".") != 0 && std::strcmp(e->d_name, "..") != 0) return e->d_name;
    return nullptr;
  }

 private:
  DIR* stream_;
};

int open_directory(int at, const char* name) { return ::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }

// Empties and removes one directory of ours in `top`. What is a directory in it
// is moved up into `top`, for the next pass: no tree is too deep for that.
bool dissolve(int top, const char* name) {
  static unsigned moved = 0;
  (void)!::fchmodat(top, name, 0700, 0);  // the kernel asks for its rights also of its owner
  const int directory = open_directory(top, name);
  if (directory < 0) return false;
  Listing children(directory);
  while (const char* child = children.next()) {
    if (::unlinkat(directory, child, 0) == 0) continue;
    char fresh[32];
    std::snprintf(fresh, sizeof fresh, ".milonga-%u", ++moved);
    (void)!::fchmodat(directory, child, 0700, 0);
    (void)::renameat(directory, child, top, fresh);
  }
  return ::unlinkat(top, name, AT_REMOVEDIR) == 0;
}

void remove_ours(const char* path) {
  const int top = open_directory(AT_FDCWD, path);
  for (bool progress = top >= 0; progress;) {
    progress = false;
    Listing entries(open_directory(top, "."));
    while (const char* name = entries.next()) {
      struct stat st {};
      if (::fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_uid != ::geteuid()) continue;
      progress = (S_ISDIR(st.st_mode) ? dissolve(top, name) : ::unlinkat(top, name, 0) == 0) || progress;
    }
  }
  if (top >= 0) ::close(top);
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
  for (const SharedRow& row : kShared) remove_ours(row.path);
  remove_ipc();
}

}  // namespace milonga::core
