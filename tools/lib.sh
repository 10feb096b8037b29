# Sourced by the programs in tools/: messages, root, setup, build.
# shellcheck shell=bash
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=tools/$(basename "$0")

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
die() {
  printf '%s: %s\n' "$program" "$*" >&2
  exit 1
}
usage_error() {
  printf '%s: %s (try --help)\n' "$program" "$*" >&2
  exit 64
}

# The comment at the top of the calling program is its help.
help() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

as_root() {
  if [ "$EUID" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "$1 needs root (install sudo, or run $program as root)"
  fi
}

# The preset `release`, into build/; programs land in build/bin. On a terminal
# ninja draws one line of progress; elsewhere only what goes wrong is printed.
build() { # [TARGET...], default all
  local quiet=() started=$SECONDS
  [ -t 1 ] || quiet=(--quiet)
  if [ -z "${MILONGA_COMPILER_LAUNCHER:-}" ] && command -v ccache >/dev/null; then
    export MILONGA_COMPILER_LAUNCHER=ccache
  fi
  say "building into build/ (the first time takes some minutes)"
  cd "$repo"
  mkdir -p build
  cmake --preset release >build/configure.log 2>&1 || {
    tail -n 30 build/configure.log >&2
    die "cannot configure the build (whole log: build/configure.log)"
  }
  ninja -C build "${quiet[@]}" "$@" || die "the build failed (the first error above is the one to look at)"
  say "built in $((SECONDS - started)) s"
}
