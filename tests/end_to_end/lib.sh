# Sourced by the tests in this folder, whose first argument is the repository.
# shellcheck shell=bash
set -euo pipefail

repo=$1
[ "$EUID" = 0 ] || {
  echo "SKIPPED: boxes need root"
  exit 77
}
fail() {
  echo "FAILED: $*"
  exit 1
}

# These tests look at the whole machine: those of another working copy must wait. The lock goes with the test.
exec 9>/run/lock/milonga-tests
flock 9

# A place of the test's own for temporary files, so that every one that is left can be seen.
work=$(mktemp -d -p /var/tmp milonga-test.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"

nothing_left() { # SNAPSHOT BIN-DIRECTORY WHEN
  "$repo/tests/leftovers" check "$2" "$1" || fail "left behind $3 (above)"
  [ -z "$(ls -A "$work/tmp")" ] || fail "temporary files left behind $3: $(ls -A "$work/tmp")"
}
