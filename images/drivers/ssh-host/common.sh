# What the verbs of ssh-host share. See milonga-exec-driver(7) and README.md here.
# shellcheck shell=bash
set -euo pipefail

fail() { # STATUS TEXT
  echo "$2" >&2
  exit "$1"
}
[ "${MILONGA_PROTOCOL:-}" = 1 ] || fail 78 "this driver speaks protocol 1, not '${MILONGA_PROTOCOL:-none}'"
[ -n "${SSH_HOST:-}" ] || fail 78 "SSH_HOST is not set (exec.environment in milonga.toml)"

directory=${SSH_DIRECTORY:-/var/tmp}
autodriver=${SSH_AUTODRIVER:-/usr/bin/autodriver}
# Where the instance is, over there. Its name is of letters, digits and dashes.
there=$directory/${MILONGA_INSTANCE:-}

# Runs a shell's words on the host. Nothing asks, nothing waits for ever, and a host
# whose key is not known is no host of ours.
remote() {
  local options=()
  [ -z "${SSH_CONFIG:-}" ] || options=(-F "$SSH_CONFIG")
  ssh "${options[@]}" -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 \
    -o ServerAliveCountMax=3 -T -- "$SSH_HOST" "$1"
}

# ssh itself failed: the host is away, which is no fault of the job's.
away() { # STATUS
  if [ "$1" = 255 ]; then exit 69; fi
}

# As one word of a POSIX shell.
quoted() { # TEXT
  printf "'%s'" "${1//\'/\'\\\'\'}"
}
