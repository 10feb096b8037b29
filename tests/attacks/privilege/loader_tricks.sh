# Attack: what the caller's environment or the job's own may do to programs that run later
# Learned from: R9; glibc CVE-2023-4911; util-linux CVE-2026-53614
# Demand: privilege
# Expect: ok
# Prints: ^contained: environment
# Needs: make
[ -z "${MILONGA_TEST_SECRET:-}" ] || echo "ESCAPED the caller's environment"
for name in LD_PRELOAD LD_LIBRARY_PATH MAKEFLAGS BASH_ENV ENV PYTHONPATH SUDO_USER SSH_AUTH_SOCK XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS; do
  eval "value=\${$name:-}"
  [ -z "$value" ] || echo "ESCAPED the caller's $name"
done
export LD_PRELOAD=/tmp/none.so GLIBC_TUNABLES=glibc.malloc.mxfast=glibc.malloc.mxfast=A LIBMOUNT_FORCE_MOUNT2=always
su -c true 2> /dev/null < /dev/null && echo "ESCAPED su"
unset LD_PRELOAD
echo "contained: environment"
