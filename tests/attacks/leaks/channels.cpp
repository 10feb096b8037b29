// The cross-run leak hunt: what one run hides, no other may find, neither the next in the same slot nor one beside it.
//
//   hostile leak_hide    hides the token (file `token`) in every channel, leaves a daemon that holds them, and ends
//   hostile leak_hold    hides it and stays, as a neighbour
//   hostile leak_seek    looks for it: `channel NAME clear`, or `ESCAPED NAME`
//   hostile leak_forget  takes it all away again, where leak_hide ran without a box
//
// Learned from: R18 to R20; isolate 2.4 to 2.6 (locks, keyrings, vsock, /dev/shm).
#include <dirent.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "tests/attacks/attack.h"

namespace leaks {

char token[64];   // 16 hexadecimal digits
unsigned number;  // the same as a number: keys, ports, offsets

struct Channel {
  const char* name;
  void (*hide)();
  bool (*found)();
  void (*forget)();
};

// A file of the image that all boxes see, of the host's own file system, and which hardly anybody opens.
const char* shared_file() {
  for (const char* path : {"/usr/share/common-licenses/Artistic", "/etc/protocols", "/bin/busybox"})
    if (access(path, R_OK) == 0) return path;
  return "/usr/bin/env";
}
int open_shared_file() {
  return open(shared_file(), O_RDONLY | O_CLOEXEC);
}

template <class Visit>
void in_each_place(Visit visit) {
  for (const char* place :
       {"/tmp", "/var/tmp", "/dev/shm", "/home/autograde", "/run", "/run/lock", "/var/lock", "/dev/mqueue", "."}) {
    char path[200];
    snprintf(path, sizeof path, "%s/leak-%s", place, token);
    visit(place, path);
  }
}

void hide_files() {
  in_each_place([](const char*, const char* path) { close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666)); });
}
bool found_files() {
  bool found = false;
  in_each_place([&](const char* place, const char*) {
    DIR* directory = opendir(place);
    while (const dirent* entry = directory != nullptr ? readdir(directory) : nullptr)
      found = found || strstr(entry->d_name, token) != nullptr;
    if (directory != nullptr) closedir(directory);
  });
  return found;
}
void forget_files() {
  in_each_place([](const char*, const char* path) { unlink(path); });
}

const char* const kAttributed[] = {"/tmp", "/dev/shm", "/home/autograde", ".", "/usr/bin/env", "/etc/passwd"};
void hide_attributes() {
  for (const char* path : kAttributed) setxattr(path, "user.leak", token, strlen(token), 0);
}
bool found_attributes() {
  char value[64] = {};
  for (const char* path : kAttributed)
    if (getxattr(path, "user.leak", value, sizeof value - 1) > 0 && strcmp(value, token) == 0) return true;
  return false;
}
void forget_attributes() {
  for (const char* path : kAttributed) removexattr(path, "user.leak");
}

key_t key() {
  return static_cast<key_t>(number & 0x7fffffff);
}
void hide_system_v() {
  shmget(key(), 4096, IPC_CREAT | 0666);
  msgget(key(), IPC_CREAT | 0666);
  semget(key(), 1, IPC_CREAT | 0666);
}
bool found_system_v() {
  return shmget(key(), 0, 0) >= 0 || msgget(key(), 0) >= 0 || semget(key(), 0, 0) >= 0;
}
void forget_system_v() {
  shmctl(shmget(key(), 0, 0), IPC_RMID, nullptr);
  msgctl(msgget(key(), 0), IPC_RMID, nullptr);
  semctl(semget(key(), 0, 0), 0, IPC_RMID);
}

const char* posix_name() {
  static char name[80];
  snprintf(name, sizeof name, "/%s", token);
  return name;
}
void hide_message_queue() {
  mq_open(posix_name(), O_CREAT | O_RDWR, 0666, nullptr);
}
bool found_message_queue() {
  return mq_open(posix_name(), O_RDONLY) >= 0;
}
void forget_message_queue() {
  mq_unlink(posix_name());
}

void hide_keys() {
  for (const int keyring : {-3, -4, -5, -2}) call(SYS_add_key, "user", token, "value", 5, keyring);
}
bool found_keys() {
  for (const int keyring : {-3, -4, -5})
    if (call(SYS_keyctl, 10 /* KEYCTL_SEARCH */, keyring, "user", token, 0) >= 0) return true;
  return call(SYS_request_key, "user", token, nullptr, 0) >= 0;
}
void forget_keys() {
  for (const int keyring : {-3, -4, -5}) {
    const long id = call(SYS_keyctl, 10, keyring, "user", token, 0);
    if (id >= 0) call(SYS_keyctl, 9 /* KEYCTL_UNLINK */, id, keyring);
  }
}

socklen_t abstract_name(sockaddr_un& name) {
  name = {};
  name.sun_family = AF_UNIX;
  memcpy(name.sun_path + 1, token, strlen(token));
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + strlen(token));
}
void hide_abstract_socket() {
  sockaddr_un name;
  const socklen_t size = abstract_name(name);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fd, reinterpret_cast<sockaddr*>(&name), size) == 0) listen(fd, 5);
}
bool found_abstract_socket() {
  sockaddr_un name;
  const socklen_t size = abstract_name(name);
  return connect(socket(AF_UNIX, SOCK_STREAM, 0), reinterpret_cast<sockaddr*>(&name), size) == 0;
}

sockaddr_in loopback() {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<uint16_t>(20000 + number % 10000));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}
void hide_port() {
  const sockaddr_in at = loopback();
  const int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) listen(fd, 5);
}
bool found_port() {
  const sockaddr_in at = loopback();
  return connect(socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
}

void hide_process_name() {
  prctl(PR_SET_NAME, token);
}
bool found_process_name() {
  DIR* proc = opendir("/proc");
  bool found = false;
  while (const dirent* entry = proc != nullptr ? readdir(proc) : nullptr) {
    char path[300], comm[32] = {};
    snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    found = found || (read(fd, comm, sizeof comm - 1) > 0 && strncmp(comm, token, 15) == 0);
    close(fd);
  }
  if (proc != nullptr) closedir(proc);
  return found;
}

void hide_environment() {
  setenv(token, token, 1);
}
bool found_environment() {
  return getenv(token) != nullptr;
}

void hide_names_of_the_system() {
  sethostname(token, strlen(token));
  setdomainname(token, strlen(token));
  char path[100];
  for (const char* top : {"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"}) {
    snprintf(path, sizeof path, "%s/%s", top, token);
    mkdir(path, 0755);
  }
  const int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
  if (log >= 0) dprintf(log, "%s\n", token);
}
bool found_names_of_the_system() {
  char text[4096] = {};
  gethostname(text, 100);
  if (strstr(text, token) != nullptr) return true;
  const int group = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
  const ssize_t n = read(group, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = '\0';
  return strstr(text, token) != nullptr || call(SYS_syslog, 3, text, sizeof text) >= 0;
}

void hide_terminal() {
  const int pty = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  if (pty >= 0) write(pty, token, strlen(token));
}
bool found_terminal() {
  DIR* directory = opendir("/dev/pts");
  bool found = false;
  while (const dirent* entry = directory != nullptr ? readdir(directory) : nullptr)
    found = found || (entry->d_name[0] >= '0' && entry->d_name[0] <= '9');
  if (directory != nullptr) closedir(directory);
  return found;
}

void hide_flock() {
  flock(open_shared_file(), LOCK_EX | LOCK_NB);
}
bool found_flock() {
  return flock(open_shared_file(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// A read lock asks for no right to write, and its offset says all that one wants to say.
void hide_record_lock() {
  struct flock range {
    F_RDLCK, SEEK_SET, static_cast<off_t>(number), 1, 0
  };
  fcntl(open_shared_file(), F_SETLK, &range);
}
bool found_record_lock() {
  struct flock range {
    F_WRLCK, SEEK_SET, static_cast<off_t>(number), 1, 0
  };
  return fcntl(open_shared_file(), F_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

// The one opens a file, the other sees it.
void hide_in_opens() {
  in_child([] {
    for (int i = 0; i < 3000; ++i) {
      close(open_shared_file());
      wait_for(0.01);
    }
  });
}
bool found_in_opens() {
  const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (watch < 0 || inotify_add_watch(watch, shared_file(), IN_OPEN) < 0) return false;
  wait_for(0.3);
  char events[4096];
  return read(watch, events, sizeof events) > 0;
}

// Two mappings of one file are one place for futex(2).
int* shared_word() {
  void* map = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, open_shared_file(), 0);
  return map == MAP_FAILED ? nullptr : static_cast<int*>(map);
}
void hide_in_futex() {
  in_child([] {
    int* word = shared_word();
    const timespec limit{30, 0};
    if (word != nullptr) call(SYS_futex, word, FUTEX_WAIT, *word, &limit, nullptr, 0);
  });
}
bool found_in_futex() {
  int* word = shared_word();
  return word != nullptr && call(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0) > 0;
}

void nothing() {}

constexpr Channel kChannels[] = {
    {"files", hide_files, found_files, forget_files},
    {"extended_attributes", hide_attributes, found_attributes, forget_attributes},
    {"system_v_ipc", hide_system_v, found_system_v, forget_system_v},
    {"message_queue", hide_message_queue, found_message_queue, forget_message_queue},
    {"keyrings", hide_keys, found_keys, forget_keys},
    {"abstract_socket", hide_abstract_socket, found_abstract_socket, nothing},
    {"loopback_port", hide_port, found_port, nothing},
    {"process_name", hide_process_name, found_process_name, nothing},
    {"environment", hide_environment, found_environment, nothing},
    {"names_of_the_system", hide_names_of_the_system, found_names_of_the_system, nothing},
    {"terminal", hide_terminal, found_terminal, nothing},
    {"flock", hide_flock, found_flock, nothing},
    {"record_lock", hide_record_lock, found_record_lock, nothing},
    {"opened_file", hide_in_opens, found_in_opens, nothing},
    {"futex", hide_in_futex, found_in_futex, nothing},
};

bool read_token() {
  FILE* file = fopen("token", "re");
  if (file == nullptr || fscanf(file, "%16s", token) != 1) return false;
  number = static_cast<unsigned>(strtoul(token + 8, nullptr, 16)) & 0x3fffffff;
  return true;
}
void hide_all() {
  if (read_token())
    for (const Channel& one : kChannels) one.hide();
}

}  // namespace leaks

ATTACK(leak_hide) {
  in_child([] {  // the daemon: locks and sockets are held as long as somebody holds them
    setsid();
    leaks::hide_all();
    wait_for(5);
  });
  wait_for(0.3);
  say("hidden");
}

ATTACK(leak_hold) {
  leaks::hide_all();
  say("holding");
  wait_for(30);
}

ATTACK(leak_seek) {
  if (!leaks::read_token()) return;
  for (const leaks::Channel& one : leaks::kChannels) {
    if (one.found())
      say("ESCAPED %s", one.name);
    else
      say("channel %s clear", one.name);
  }
}

ATTACK(leak_forget) {
  if (leaks::read_token())
    for (const leaks::Channel& one : leaks::kChannels) one.forget();
}
