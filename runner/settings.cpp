#include "runner/settings.h"

namespace milonga::runner {
namespace {

using enum SettingKind;

constexpr Setting kSettings[] = {
    {"spool", "spool", text, "DIR", "\"/var/spool/milonga\"", "the queue (before the config: MILONGA_SPOOL)"},
    {"runner.slots", "slots", number, "N", "2", "jobs at once, 1 to 400 (default: number of CPUs)"},
    {"runner.warm", "warm", number, "N", "2",
     "boxes made ahead for the next jobs of the same kind, 0 to 400 (default: as many as slots)"},
    {"runner.driver", "driver", text, "NAME", "\"local\"",
     "what runs the jobs: local, boxes on this host (the default), docker, containers, ssh, containers on "
     "other hosts, or "
     "exec, any platform"},
    {"runner.grace", "grace", number, "S", "10",
     "seconds that running jobs get when the daemon is told to stop (default 10)"},
    {"runner.default_wall", "default-wall", number, "S", "600",
     "wall time limit of jobs that bring none (default 600)"},
    {"runner.autodriver", "autodriver", text, "FILE", "\"/usr/bin/autodriver\"",
     "the autodriver to use (default: beside milongad)"},
    {"runner.volatile", "volatile", flag, nullptr, "false",
     "accept a spool on tmpfs or overlay, which a power cut empties"},
    {"docker.socket", "docker-socket", text, "FILE", "\"/var/run/docker.sock\"",
     "driver docker: the Engine's socket (default /var/run/docker.sock)"},
    {"docker.image", "docker-image", text, "NAME", "\"\"",
     "driver docker: image of the jobs that name none (default: they are refused)"},
    {"docker.network", "docker-network", text, "NAME", "\"\"",
     "driver docker: the network of jobs that ask for the host's (default: they are refused)"},
    {"docker.cpus", "docker-cpus", number, "N", "2",
     "driver docker: CPUs of each container, 0.01 to 1024 (default: no limit)"},
    {"ssh.hosts", "ssh-host", list, "HOST", "[]",
     "driver ssh: a host with a Docker Engine: [USER@]HOST[:PORT][/SOCKET][=WEIGHT]; may be repeated"},
    {"ssh.identity", "ssh-identity", text, "FILE", "\"\"",
     "driver ssh: the private key (default: ssh's choice)"},
    {"ssh.known_hosts", "ssh-known-hosts", text, "FILE", "\"\"",
     "driver ssh: the hosts' keys, no others are believed (default: ssh's choice)"},
    {"exec.directory", "exec-directory", text, "DIR", "\"\"",
     "driver exec: the directory of its verbs, as /usr/lib/milonga/drivers/ssh-host"},
    {"exec.environment", "exec-environment", list, "NAME=VALUE", "[]",
     "driver exec: variables for its verbs; may be repeated"},
    {"callbacks.allow", "callback-allow", list, "HOST", "[]",
     "callbacks may go there although it is no public address: HOST[:PORT], NETWORK/BITS; may be repeated"},
    {"callbacks.insecure", "callback-insecure", list, "HOST", "[]",
     "callbacks to this host: any TLS certificate will do; may be repeated"},
    {"callbacks.timeout", "callback-timeout", number, "S", "30",
     "seconds that the receiver of a callback has to answer (default 30)"},
    {"callbacks.expiry", "callback-expiry", number, "S", "86400",
     "seconds after a job's end, its callback is given up (default 86400)"},
    {"metrics.listen", "metrics-listen", text, "WHERE", "\"\"",
     "serve /metrics and /healthz there: a socket's path, 127.0.0.1:PORT, [::1]:PORT (default: nowhere)"},
};

}  // namespace

std::span<const Setting> settings() {
  return kSettings;
}

}  // namespace milonga::runner
