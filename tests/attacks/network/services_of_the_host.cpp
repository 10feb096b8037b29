// Attack: sockets and pipes of the services that every host has
// Learned from: R36, R37 (work done on the attacker's behalf: journald, D-Bus); docker.sock
// Demand: network
// Expect: ok
#include <sys/un.h>

#include "tests/attacks/attack.h"

ATTACK(services_of_the_host) {
  for (const char* path :
       {"/run/systemd/journal/socket", "/run/systemd/journal/dev-log", "/dev/log", "/run/systemd/private",
        "/run/systemd/notify", "/run/dbus/system_bus_socket", "/run/docker.sock", "/var/run/docker.sock",
        "/run/containerd/containerd.sock", "/run/nscd/socket", "/run/udev/control", "/run/acpid.socket",
        "/tmp/.X11-unix/X0", "/run/redis/redis.sock", "/run/milonga/socket", "/run/snapd.socket", "/run/user/0/bus"}) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    strncpy(name.sun_path, path, sizeof name.sun_path - 1);
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET})
      attempt(path,
              connect(socket(AF_UNIX, type | SOCK_CLOEXEC, 0), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  }
}
