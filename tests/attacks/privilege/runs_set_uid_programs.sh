# Attack: the system's set-uid programs
# Learned from: R13; pkexec CVE-2021-4034; no_new_privs and nosuid each make them harmless
# Demand: privilege
# Expect: ok
# Prints: ^contained: [1-9][0-9]* programs
n=0
for program in $(find /usr/bin /usr/sbin /usr/lib -perm /6000 -type f 2> /dev/null); do
  n=$((n + 1))
done
for program in su sudo mount umount newgrp passwd chsh gpasswd pkexec fusermount; do
  command -v $program > /dev/null || continue
  n=$((n + 1))
done
if su -c 'id -u' < /dev/null 2> /dev/null | grep -qx 0; then echo "ESCAPED root by su"; fi
if sudo -n id -u < /dev/null 2> /dev/null | grep -qx 0; then echo "ESCAPED root by sudo"; fi
if mount -t tmpfs none /tmp 2> /dev/null; then echo "ESCAPED a mount by mount(8)"; fi
cp "$(command -v id)" /tmp/id && chmod 6755 /tmp/id
if [ "$(/tmp/id -u)" != "$(id -u)" ]; then echo "ESCAPED another uid by a set-uid file"; fi
echo "contained: $n programs"
